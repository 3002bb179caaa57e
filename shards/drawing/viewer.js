"use strict";
// Colours the pictures of a report and moves through their steps. Nothing is loaded, nothing leaves the page.

const SOLID = [170, 177, 184];
const FRAMES_PER_SECOND = 6;

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// The levels of all steps: zlib, then the sum of the differences.
async function levelsOf(pictures) {
  const stream = new Blob([bytesOf(pictures.data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const levels = new Uint8Array(await new Response(stream).arrayBuffer());
  for (let i = 1; i < levels.length; i++) levels[i] = (levels[i] + levels[i - 1]) & 255;
  return levels;
}

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

const words = (name) => name.replaceAll("_", " ");
const digits = (value, count = 4) => Number(value.toPrecision(count)).toString().replaceAll("-", "−");
const valueOf = (level, scale) => scale.low + ((level - 1) / 254) * (scale.high - scale.low);

function levelOf(value, scale) {
  const share = (value - scale.low) / (scale.high - scale.low);
  return 1 + Math.round(254 * Math.min(1, Math.max(0, share)));
}

// One image with its frame, the names of its axes and its colour bar.
class Picture {
  constructor(name, maps) {
    this.maps = maps;
    this.canvas = element("canvas", { role: "img" });
    this.title = element("figcaption", { textContent: name });
    this.axes = element("div", { className: "axes" });
    this.bar = element("canvas", { width: 255, height: 1 });
    this.under = element("span", { className: "under", title: "some values are lower" });
    this.over = element("span", { className: "over", title: "some values are higher" });
    this.labels = element("div", { className: "labels" });
    const bar = element("div", { className: "bar" }, this.under, this.bar, this.over);
    this.root = element("figure", { className: "picture" }, this.title, this.canvas, this.axes, bar, this.labels);
    this.name = name;
  }

  setScale(scale, unit) {
    this.scale = scale;
    this.colours = this.maps[scale.map];
    const context = this.bar.getContext("2d");
    const row = context.createImageData(255, 1);
    for (let i = 0; i < 255; i++) this.paint(row.data, i, i + 1);
    context.putImageData(row, 0, 0);
    const ends = [this.colours.slice(0, 3), this.colours.slice(-3)].map((rgb) => `rgb(${rgb.join(",")})`);
    this.under.style.borderRightColor = ends[0];
    this.over.style.borderLeftColor = ends[1];
    this.under.style.visibility = scale.under ? "visible" : "hidden";
    this.over.style.visibility = scale.over ? "visible" : "hidden";
    const [low, middle, high] = [scale.low, (scale.low + scale.high) / 2, scale.high].map((value) => digits(value, 3));
    const between = element("span", {}, element("i", { textContent: middle }), unit ? ` ${unit}` : "");
    this.labels.replaceChildren(low, between, high);
  }

  setView(view, [, height, width]) {
    Object.assign(this.canvas, { width, height });
    this.canvas.style.aspectRatio = `1 / ${view.ratio}`;
    const widest = `calc(min(60vh, 420px) / ${view.ratio})`;
    for (const part of [this.canvas, this.bar.parentNode, this.labels]) part.style.maxWidth = widest;
    this.canvas.className = ["left", "right", "bottom", "top"].map((side, i) => `${side}-${view.sides[i]}`).join(" ");
    const range = (axis) => `${axis.name} ${digits(axis.from, 3)} to ${digits(axis.to, 3)}`;
    const texts = [`→ ${range(view.across)}`, ...(view.up.name ? [`↑ ${range(view.up)}`] : [])];
    this.axes.replaceChildren(...texts.map((text) => element("span", { textContent: text })));
  }

  paint(data, place, level) {
    const [red, green, blue] = level ? this.colours.subarray(3 * level - 3, 3 * level) : SOLID;
    data.set([red, green, blue, 255], 4 * place);
  }

  draw(levels, described) {
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.canvas.width, this.canvas.height);
    for (let i = 0; i < levels.length; i++) this.paint(image.data, i, levels[i]);
    context.putImageData(image, 0, 0);
    this.canvas.setAttribute("aria-label", `${this.name}, ${described}`);
  }
}

// All controls of one viewer, and the pictures that they change.
class Viewer {
  constructor(root, number) {
    this.root = root;
    this.film = JSON.parse(root.querySelector("script").textContent);
    this.maps = {};
    for (const [name, text] of Object.entries(this.film.maps)) this.maps[name] = bytesOf(text);
    this.cache = new Map();
    this.step = 0;
    this.build(number);
    this.choose();
  }

  build(number) {
    const { films, views, words: label } = this.film;
    this.trajectory = this.select("Trajectory", films.map((film) => film.name), number);
    this.field = this.select("Field", films[0].fields.map((field) => words(field.name)), number);
    this.view = this.select("Plane", views.map((view) => view.name), number);
    this.slider = element("input", { type: "range", min: 0, id: `step-${number}`, "aria-label": "Step" });
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.play = this.button("Play", () => this.toggle());
    this.before = this.button("‹", () => this.move(-1), "one step back");
    this.after = this.button("›", () => this.move(1), "one step on");
    this.stepText = element("p", { className: "step-text", role: "status" });
    this.under = element("p", { className: "step-text pointed", textContent: " " });
    const choices = [this.trajectory, this.field, this.view].filter((select) => select.options.length > 1);
    const controls = element("div", { className: "controls" }, ...choices.map((select) => select.parentNode));
    this.time = element("div", { className: "controls" }, this.play, this.before, this.slider, this.after);
    this.pictures = element("div", { className: "pictures", tabIndex: 0, role: "group", "aria-label": label });
    this.root.append(controls, this.time, this.stepText, this.pictures, this.under);
    this.pictures.addEventListener("keydown", (event) => this.key(event));
    this.pictures.addEventListener("pointermove", (event) => this.point(event));
    this.pictures.addEventListener("pointerleave", () => { this.under.textContent = " "; });
  }

  select(name, options, number) {
    const select = element("select", { id: `${name}-${number}` });
    select.append(...options.map((option, i) => element("option", { value: i, textContent: option })));
    select.addEventListener("change", () => this.choose());
    element("label", { className: "choice" }, name, select);
    return select;
  }

  button(text, action, label = text) {
    const button = element("button", { type: "button", textContent: text, "aria-label": label });
    button.addEventListener("click", action);
    return button;
  }

  // Another trajectory, field or plane: its pictures are unpacked when they are first shown.
  async choose() {
    const chosen = [this.trajectory.value, this.field.value, this.view.value];
    const film = this.film.films[chosen[0]];
    const field = film.fields[chosen[1]];
    const strip = field.strips[chosen[2]];
    const key = chosen.join("/");
    if (!this.cache.has(key)) {
      this.cache.set(key, Promise.all([strip.field, strip.error].filter(Boolean).map(levelsOf)));
    }
    const levels = await this.cache.get(key);
    if (chosen.join() !== [this.trajectory.value, this.field.value, this.view.value].join()) return;
    Object.assign(this, { levels, strip, shown: film, shownField: field });
    const scales = strip.error ? [strip.field, this.forecastScale(), strip.error] : [strip.field];
    const names = strip.error ? ["truth", "forecast", "error"] : [words(field.name)];
    if (!this.all || this.all.length !== names.length) {
      this.all = names.map((name) => new Picture(name, this.maps));
      this.pictures.replaceChildren(...this.all.map((picture) => picture.root));
    }
    this.all.forEach((picture, i) => {
      picture.setScale(scales[i], field.unit);
      picture.setView(this.film.views[chosen[2]], strip.size);
    });
    // Tall pictures fit next to each other on a phone, wide ones take its width.
    const least = Math.min(240, Math.max(84, 130 / this.film.views[chosen[2]].ratio));
    this.pictures.style.setProperty("--least", `${least}px`);
    this.slider.max = film.steps.length - 1;
    this.time.hidden = film.steps.length < 2;
    this.show(Math.min(this.step, film.steps.length - 1));
  }

  // Does truth plus error leave the colours of the truth?
  forecastScale() {
    const { field, error } = this.strip;
    const scale = { ...field, under: field.under || error.under, over: field.over || error.over };
    const [truth, wrong] = this.levels;
    for (let i = 0; i < truth.length && !(scale.under && scale.over); i++) {
      if (!truth[i] || !wrong[i]) continue;
      const value = valueOf(truth[i], field) + valueOf(wrong[i], error);
      scale.under ||= value < field.low;
      scale.over ||= value > field.high;
    }
    return scale;
  }

  // The levels of each picture at the step; the forecast is the sum of truth and error.
  at(step) {
    const [, height, width] = this.strip.size;
    const parts = this.levels.map((levels) => levels.subarray(step * height * width, (step + 1) * height * width));
    if (parts.length === 1) return parts;
    const [truth, wrong] = parts;
    const { field, error } = this.strip;
    const forecast = truth.map((level, i) =>
      level && wrong[i] ? levelOf(valueOf(level, field) + valueOf(wrong[i], error), field) : 0);
    return [truth, forecast, wrong];
  }

  show(step) {
    this.step = step;
    this.slider.value = step;
    const described = [words(this.shownField.name), this.shown.steps[step], this.shownField.notes[step]];
    const text = described.filter(Boolean).join(", ");
    this.slider.setAttribute("aria-valuetext", this.shown.steps[step]);
    this.stepText.textContent = text;
    this.now = this.at(step);
    this.all.forEach((picture, i) => picture.draw(this.now[i], text));
  }

  move(by) {
    const count = this.shown.steps.length;
    this.show((this.step + by + count) % count);
  }

  toggle() {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = null;
    } else {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.timer = setInterval(() => this.move(1), 1000 / (calm ? 1 : FRAMES_PER_SECOND));
    }
    // A film that plays would have a screen reader speak without an end.
    this.stepText.setAttribute("aria-live", this.timer ? "off" : "polite");
    this.play.textContent = this.timer ? "Pause" : "Play";
    this.play.setAttribute("aria-label", this.play.textContent);
  }

  key(event) {
    const keys = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in keys) this.move(keys[event.key]);
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
  }

  // The values under the pointer.
  point(event) {
    const picture = this.all && this.all.find((each) => each.canvas === event.target);
    if (!picture) return;
    const box = picture.canvas.getBoundingClientRect();
    const [, height, width] = this.strip.size;
    const column = Math.min(width - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * width)));
    const row = Math.min(height - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * height)));
    const place = row * width + column;
    const texts = this.all.map((each, i) => {
      const level = this.now[i][place];
      return `${each.name} ${level ? digits(valueOf(level, each.scale), 3) : "–"}`;
    });
    this.under.textContent = `${texts.join(", ")} ${this.shownField.unit}`;
  }
}

document.querySelectorAll(".viewer").forEach((root, number) => new Viewer(root, number));
