"use strict";
// The page draws what /state says, and sends orders to /do, one after the other.
const SVG = "http://www.w3.org/2000/svg";
const HINTS = {
  choose: "Click a thick line, or a way in the list, to carry it out.",
  block: "Press where the obstacle's middle is, and drag to make it larger.",
  send: "Click where the agent, the blue disc, should go.",
};
const USUAL_RADIUS = 25, LEAST_RADIUS = 8, PACE = 100;
const get = (id) => document.getElementById(id);
let now = null, playing = false, drag = null, turn = Promise.resolve();

function tool() { return document.querySelector("input[name=tool]:checked").value; }

function made(parent, name, attributes, text) {
  const svg = parent.namespaceURI === SVG;
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

const line = (points) => points.map((p, i) => `${i ? "L" : "M"}${p[0]} ${p[1]}`).join("");

async function asked(path, options) {
  try {
    const answer = await fetch(path, options);
    return await answer.json();
  } catch {
    return { error: "The policy does not answer. Is `dp-plus steer` still running?" };
  }
}

// Orders wait for each other, so what is shown is what the next order is about.
function order(what) {
  turn = turn.then(async () => {
    const body = JSON.stringify(what);
    const told = await asked("do", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    get("error").textContent = told.error || "";
    get("error").hidden = !told.error;
    if (told.error) playing = false;
    if (told.modes) now = told;
    draw();
  });
  return turn;
}

function draw() {
  get("play").textContent = playing ? "Pause" : "Play";
  if (!now) return;
  get("picture").setAttribute("href", now.picture);
  get("progress").textContent = `step ${now.step}, ${Math.round(100 * now.coverage)} % covered`;
  get("said").textContent = now.said;
  get("ambiguity").textContent = now.ambiguity;
  for (const id of ["play", "step"]) get(id).disabled = now.over;
  if (document.activeElement !== get("seed")) get("seed").value = now.seed;
  drawScene();
  drawModes();
  drawThings();
  drawWays();
}

function drawScene() {
  const [x, y] = now.agent;
  get("fans").replaceChildren();
  for (const mode of now.modes) {
    made(get("fans"), "path", { d: mode.fan.map(line).join(""), stroke: mode.colour });
  }
  get("plan").setAttribute("d", now.plan.length ? line(now.plan) : "");
  const held = document.activeElement && document.activeElement.dataset.mode;
  get("middles").replaceChildren();
  for (const mode of [...now.modes].reverse()) {
    const said = `Take the ${mode.name} way ${mode.letter}, ${Math.round(100 * mode.weight)} % of the candidates`;
    const group = made(get("middles"), "g", { "data-mode": mode.id, tabindex: 0, role: "button", "aria-label": said });
    const d = line(mode.path), end = mode.path[mode.path.length - 1];
    made(group, "path", { class: "edge", d });
    made(group, "path", { class: "line", d, stroke: mode.colour });
    made(group, "circle", { cx: end[0], cy: end[1], r: 11, fill: mode.colour, stroke: "#fff", "stroke-width": 2 });
    made(group, "text", { x: end[0], y: end[1] }, mode.letter);
    made(group, "path", { class: "hit", d });
    group.addEventListener("click", () => choose(mode.id));
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(mode.id); }
    });
    if (held === String(mode.id)) group.focus();
  }
  get("obstacles").replaceChildren();
  for (const [cx, cy, r] of now.obstacles) made(get("obstacles"), "circle", { cx, cy, r });
  get("goal").replaceChildren();
  if (now.goal) {
    const [gx, gy] = now.goal;
    made(get("goal"), "path", { d: `M${x} ${y}L${gx} ${gy}`, "stroke-dasharray": "2 7", "stroke-width": 2 });
    made(get("goal"), "circle", { cx: gx, cy: gy, r: 14, fill: "#ffffffcc" });
    made(get("goal"), "path", { d: `M${gx - 7} ${gy}H${gx + 7}M${gx} ${gy - 7}V${gy + 7}` });
  }
}

function drawModes() {
  const list = get("modes"), held = document.activeElement && document.activeElement.dataset.way;
  list.replaceChildren();
  for (const mode of now.modes) {
    const button = made(made(list, "li"), "button", { type: "button", "data-way": mode.id });
    made(button, "span", { class: "dot" }, mode.letter).style.background = mode.colour;
    made(button, "span", {}, mode.name);
    const fill = made(made(button, "span", { class: "bar" }), "i");
    fill.style.width = `${100 * mode.weight}%`;
    fill.style.background = mode.colour;
    made(button, "span", { class: "share" }, `${Math.round(100 * mode.weight)} %`);
    button.disabled = now.over;
    button.addEventListener("click", () => choose(mode.id));
    if (held === String(mode.id)) button.focus();
  }
}

function drawThings() {
  const list = get("things");
  list.replaceChildren();
  now.obstacles.forEach((disc, index) => {
    const item = made(list, "li");
    made(item, "span", {}, `Obstacle ${index + 1}, radius ${Math.round(disc[2])} px`);
    const button = made(item, "button", { type: "button", "aria-label": `Remove obstacle ${index + 1}` }, "Remove");
    button.addEventListener("click", () => order({ do: "unblock", index }));
  });
  if (now.broken) made(list, "li", { class: "none" }, now.broken);
  if (now.goal) {
    const item = made(list, "li");
    made(item, "span", {}, `Goal at ${now.goal.map(Math.round).join(", ")}`);
    const button = made(item, "button", { type: "button", "aria-label": "Remove the goal" }, "Remove");
    button.addEventListener("click", () => order({ do: "recall" }));
  }
  if (!list.children.length) made(list, "li", { class: "none" }, "Nothing yet.");
}

function drawWays() {
  const box = get("ways");
  if (box.dataset.shown !== now.way) {
    box.dataset.shown = now.way;
    const held = box.contains(document.activeElement);
    box.replaceChildren();
    for (const way of now.ways) {
      const label = made(box, "label");
      const input = made(label, "input", { type: "radio", name: "way", value: way.id });
      made(label, "span", {}, way.title);
      made(label, "small", {}, way.said);
      input.addEventListener("change", () => order({ do: "bend", way: way.id }));
      if (held && way.id === now.way) input.focus();
    }
  }
  for (const input of box.querySelectorAll("input")) input.checked = input.value === now.way;
}

function choose(mode) { if (!now.over) order({ do: "choose", mode }); }

function place(event) {
  const scene = get("scene"), point = new DOMPoint(event.clientX, event.clientY);
  const { x, y } = point.matrixTransform(scene.getScreenCTM().inverse());
  return { x, y };
}

function preview(disc) {
  for (const [key, value] of Object.entries({ cx: disc ? disc.x : 0, cy: disc ? disc.y : 0, r: disc ? disc.radius : 0 })) {
    get("preview").setAttribute(key, value);
  }
}

function wire() {
  const scene = get("scene");
  scene.addEventListener("pointerdown", (event) => {
    if (tool() !== "block") return;
    drag = { ...place(event), radius: USUAL_RADIUS };
    scene.setPointerCapture(event.pointerId);
    preview(drag);
  });
  scene.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const here = place(event), radius = Math.hypot(here.x - drag.x, here.y - drag.y);
    drag.radius = radius < LEAST_RADIUS ? USUAL_RADIUS : radius;
    preview(drag);
  });
  scene.addEventListener("pointerup", () => {
    if (!drag) return;
    const disc = drag;
    drag = null;
    preview(null);
    order({ do: "block", ...disc });
  });
  scene.addEventListener("pointercancel", () => { drag = null; preview(null); });
  scene.addEventListener("click", (event) => { if (tool() === "send") order({ do: "send", ...place(event) }); });
  for (const input of document.querySelectorAll("input[name=tool]")) input.addEventListener("change", hint);
  get("step").addEventListener("click", () => { playing = false; order({ do: "step" }); });
  get("play").addEventListener("click", play);
  get("reset").addEventListener("click", () => {
    playing = false;
    order({ do: "reset", seed: Number(get("seed").value) });
  });
  hint();
}

function hint() {
  get("hint").textContent = HINTS[tool()];
  get("scene").classList.toggle("draws", tool() !== "choose");
}

async function play() {
  playing = !playing;
  draw();
  while (playing) {
    const begun = performance.now();
    await order({ do: "step" });
    if (!now || now.over) playing = false;
    await new Promise((done) => setTimeout(done, Math.max(0, PACE - (performance.now() - begun))));
  }
  draw();
}

wire();
asked("state").then((told) => {
  get("error").textContent = told.error || "";
  get("error").hidden = !told.error;
  if (told.modes) now = told;
  draw();
});
