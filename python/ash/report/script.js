// Adds selection, filter, sorting and the theme to the page, which also works without them. All texts come from Python in
// their final form and are inserted as text. live.js fetches the changes during a run.
"use strict";
const ashPage = (() => {
  const root = document.documentElement;
  const byId = (name) => document.getElementById(name);
  const all = (selector, within) => [...(within || document).querySelectorAll(selector)];
  let data = JSON.parse(byId("data").textContent);
  let place = new Map();
  let chosen = null;
  let filter = new Map(); // axis -> its chosen parts
  let order = null; // column and direction by which the table is sorted
  let opener = null; // the element that had the focus when the panel was opened

  const element = (name, text, attributes) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    Object.entries(attributes || {}).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  };

  // Selection: one candidate is highlighted in all sections.

  const select = (number) => {
    if (!place.has(number)) return;
    all(".sel").forEach((one) => one.classList.remove("sel"));
    all(`[data-c="${number}"]:not(button)`).forEach((one) => {
      one.classList.add("sel");
      if (one.tagName !== "TR" && !one.closest(".winner")) one.parentNode.append(one); // on top
    });
    if (chosen === null) opener = document.activeElement;
    chosen = number;
    fillPanel(place.get(number));
    document.body.classList.add("chosen");
    byId("selected").hidden = false;
    byId("said").textContent = byId("selected-title").textContent;
  };

  const close = () => {
    all(".sel").forEach((one) => one.classList.remove("sel"));
    byId("selected").hidden = true;
    document.body.classList.remove("chosen");
    chosen = null;
    if (opener && opener.isConnected) opener.focus({ preventScroll: true });
    opener = null;
  };

  const fillPanel = (at) => {
    const jobs = data.jobs[at];
    const best = data.numbers[at] === data.best ? ", the best" : "";
    byId("selected-title").textContent = `Candidate ${data.numbers[at]}${best}: ${data.metric} ${data.scores[at]}, highest rung ${data.rungs[at]}`;
    byId("selected-better").disabled = at === 0;
    byId("selected-worse").disabled = at === data.numbers.length - 1;
    const pairs = element("dl", undefined, { class: "pairs" });
    data.names.forEach((name, axis) => {
      const pair = element("div");
      pair.append(element("dt", name), element("dd", data.texts[axis][data.levels[at][axis]]));
      pairs.append(pair);
    });
    const table = element("table", undefined, { class: "numbers" });
    const head = table.createTHead().insertRow();
    ["rung", "epochs", "score", "loss", "training loss"].forEach((name) => head.append(element("th", name, { scope: "col" })));
    const body = table.createTBody();
    jobs.forEach((job) => {
      const row = body.insertRow();
      job.forEach((cell, column) => row.append(column ? element("td", cell) : element("th", cell, { scope: "row" })));
    });
    const split = element("div", undefined, { class: "split" });
    const box = element("div", undefined, { class: "table", tabindex: "0" });
    box.append(table);
    split.append(pairs, box);
    byId("selected-body").replaceChildren(split);
  };

  const step = (by) => {
    const passes = (at) => [...filter].every(([axis, parts]) => parts.has(data.parts[at][axis]));
    let at = place.get(chosen) + by;
    while (at >= 0 && at < data.numbers.length && !passes(at)) at += by;
    if (at >= 0 && at < data.numbers.length) select(data.numbers[at]);
  };

  // Marks may be thin, so a click within a few pixels of a mark also selects it.
  const markAt = (event) => {
    const near = [[0, 0], [0, 4], [0, -4], [4, 0], [-4, 0], [6, 6], [-6, -6], [6, -6], [-6, 6]];
    for (const [dx, dy] of near) {
      const found = document.elementFromPoint(event.clientX + dx, event.clientY + dy);
      const mark = found && found.closest("[data-c]");
      if (mark) return mark;
    }
    return null;
  };

  document.addEventListener("click", (event) => {
    const part = event.target.closest(".part");
    if (part) return choose(part);
    const own = event.target.closest("[data-c]");
    const mark = own || (event.target.closest("svg") ? markAt(event) : null);
    if (mark) select(Number(mark.dataset.c));
  });
  document.addEventListener("keydown", (event) => {
    const part = event.target.closest && event.target.closest(".part");
    if (part && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      choose(part);
    } else if (event.key === "Escape" && chosen !== null) {
      close();
    } else if (event.target.matches && event.target.matches("tbody button") && /^Arrow(Up|Down)$/.test(event.key)) {
      event.preventDefault();
      const buttons = all("tbody tr:not(.out) button", event.target.closest("table"));
      const next = buttons[buttons.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) next.focus();
    }
  });
  byId("selected-close").addEventListener("click", close);
  byId("selected-better").addEventListener("click", () => step(-1));
  byId("selected-worse").addEventListener("click", () => step(1));

  // Filter: shows the candidates that pass through chosen parts on every axis.

  const choose = (part) => {
    const axis = Number(part.dataset.axis);
    const own = filter.get(axis) || new Set();
    const number = Number(part.dataset.part);
    own.has(number) ? own.delete(number) : own.add(number);
    own.size ? filter.set(axis, own) : filter.delete(axis);
    applyFilter();
  };

  const applyFilter = () => {
    all(".part").forEach((part) => {
      const parts = filter.get(Number(part.dataset.axis));
      part.setAttribute("aria-pressed", String(Boolean(parts && parts.has(Number(part.dataset.part)))));
    });
    const left = new Set();
    data.numbers.forEach((number, at) => {
      if ([...filter].every(([axis, parts]) => parts.has(data.parts[at][axis]))) left.add(number);
    });
    all("[data-c]").forEach((one) => {
      if (one.tagName !== "BUTTON") one.classList.toggle("out", !left.has(Number(one.dataset.c)));
    });
    if (!byId("filter-text")) return;
    const words = [...filter].map(([axis, parts]) => `${data.axes[axis]}: ${[...parts].map((part) => data.labels[axis][part]).join(" or ")}`);
    byId("filter-text").textContent = filter.size ? `${left.size} of ${data.numbers.length} candidates, ${words.join("; ")}` : "";
    byId("filter-clear").hidden = !filter.size;
  };

  // Prepares a new section: adds buttons wherever a click has an effect.

  const sortTable = (table, column, downwards) => {
    const heads = all("thead th", table);
    heads.forEach((head, at) => at === column ? head.setAttribute("aria-sort", downwards ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
    const rows = all("tbody tr", table).map((row, at) => [Number(row.cells[column].dataset.v), at, row]);
    rows.sort((a, b) => (a[0] === b[0] ? a[1] - b[1] : (a[0] < b[0]) === downwards ? 1 : -1));
    table.tBodies[0].append(...rows.map((row) => row[2]));
    order = [column, downwards];
  };

  const prepare = (within) => {
    all(".part", within).forEach((part) => {
      part.setAttribute("role", "button");
      part.setAttribute("tabindex", "0");
      part.setAttribute("aria-pressed", "false");
    });
    all("svg[role=img]", within).forEach((svg) => { if (svg.querySelector(".part")) svg.setAttribute("role", "group"); });
    all("table.sortable", within).forEach((table) => {
      all("thead th", table).forEach((head, column) => {
        const button = element("button", head.textContent, { type: "button" });
        button.addEventListener("click", () => sortTable(table, column, head.getAttribute("aria-sort") === "ascending"));
        head.replaceChildren(button);
      });
      all("tbody button", table).forEach((button, at) => { if (at) button.tabIndex = -1; });
      if (order) sortTable(table, ...order);
    });
    all("#filter-clear", within).forEach((button) => button.addEventListener("click", () => {
      filter = new Map();
      applyFilter();
    }));
  };

  const learn = () => { place = new Map(data.numbers.map((number, at) => [number, at])); };

  // Theme: the system's theme until the button is pressed.

  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const showTheme = () => {
    byId("theme").textContent = isDark() ? "Light" : "Dark";
    byId("theme").setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
  };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);

  root.classList.add("js");
  learn();
  showTheme();
  prepare(document);

  // For live.js: replaces the data and prepares new sections; selection, filter and sort order are kept.
  return {
    know: (newer) => {
      data = newer;
      learn();
    },
    prepare,
    restore: () => {
      applyFilter();
      if (chosen === null) return;
      if (!place.has(chosen)) return close();
      all(`[data-c="${chosen}"]:not(button)`).forEach((one) => one.classList.add("sel"));
      fillPanel(place.get(chosen));
    },
  };
})();
