"""Draw what depends on the physics: error by parameter, and the curves of a flow, each as a PNG.

Axes: N trajectories, T steps, Q quantity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from shards.drawing.canvas import caption_words, log_axis, sheet, style
from shards.drawing.colours import PALE
from walrus.evaluation.curve_figures import HUES, NAMES, draw_quartiles, how_many, stacked, step_axis
from walrus.evaluation.scores import Errors, Forecaster

# Values that span more than this are drawn on a log axis.
LOGARITHMIC = 30


def error_by_parameter(
    parameters: Mapping[str, Sequence[float]], errors: Mapping[Forecaster, Sequence[float]]
) -> bytes:
    """VRMSE of each rollout against each parameter; values and errors have one number per trajectory."""
    with style():
        caption = "VRMSE of each rollout, mean over fields and steps, a mark per trajectory"
        page, boxes = sheet("error by parameter", caption, len(parameters))
        known = np.concatenate([np.asarray(each, float) for each in errors.values()])
        known = known[np.isfinite(known) & (known > 0)]
        for axes, (name, values) in zip(boxes, parameters.items(), strict=True):
            for forecaster, error_N in errors.items():
                label = f"{NAMES[forecaster]} (n = {len(error_N)})"
                axes.plot(values, error_N, "o", color=HUES[forecaster], markersize=3.5, label=label)
            if min(values) > 0 and max(values) > LOGARITHMIC * min(values):
                axes.set_xscale("log")
            if known.size:
                log_axis(axes, float(known.min()) / 1.3, float(known.max()) * 1.3)
            axes.set_title(caption_words(name), loc="left", size=8)
        # Above the boxes: marks may be anywhere in them.
        boxes[0].legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.17),
            ncols=len(errors),
            fontsize=6,
            handlelength=1,
            borderaxespad=0,
        )
        return page.png()


def flow_curves(names: Sequence[str], flows_2TQ: Sequence[Errors]) -> bytes:
    """Each measure of the flow per rollout step, of truth and model: median and quartiles."""
    longest = max(each.shape[1] for each in flows_2TQ)
    step = np.arange(1, longest + 1)
    with style():
        page, boxes = sheet("the flow", f"mean over space; {how_many(len(flows_2TQ))}", len(names))
        for q, (axes, name) in enumerate(zip(boxes, names, strict=True)):
            seen_N2T = stacked([each[:, :, q] for each in flows_2TQ])
            count = f"(n = {len(flows_2TQ)})"
            draw_quartiles(axes, step, seen_N2T[:, 0], HUES["persistence"], f"truth {count}", 3)
            draw_quartiles(axes, step, seen_N2T[:, 1], HUES["model"], f"model {count}", 4)
            # A forecast that diverges would hide the truth.
            reach = 3 * float(np.nanmax(seen_N2T[:, 0], initial=0.0))
            highest = min(float(np.nanmax(seen_N2T, initial=0.0)), reach)
            if name.startswith("divergence"):
                known = seen_N2T[np.isfinite(seen_N2T) & (seen_N2T > 0)]
                low = float(known.min(initial=1.0))
                log_axis(axes, low / 1.5, max(min(1.5 * float(known.max(initial=low)), 3.0), 2 * low))
            else:
                axes.set_ylim(0, 1.1 * highest or 1.0)
                axes.yaxis.set_major_locator(MaxNLocator(5))
                axes.grid(axis="y", color=PALE, linewidth=0.4)
                axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(name, loc="left", size=8)
            step_axis(axes, longest)
        boxes[0].legend(fontsize=6, handlelength=1.4)
        return page.png()
