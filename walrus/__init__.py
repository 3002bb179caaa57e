"""Windows to tensors to forecasts: the stream, the model, its training and its measures."""
