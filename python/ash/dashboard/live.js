
// While a run is in progress, asks for changes once per second, and replaces the sections that have changed.
(() => {
  const PAUSE = 1000;
  const MOST_FAILURES = 3;
  const byId = (name) => document.getElementById(name);
  let version = Number(document.body.dataset.version);
  let failures = 0;

  const say = (text) => { if (byId("state").textContent !== text) byId("state").textContent = text; };

  const read = (html) => document.importNode(new DOMParser().parseFromString(html, "text/html").body.firstElementChild, true);

  // The reader's position in a section: scrolled boxes, unfolded details, the element with the focus.
  const key = (one) => one.id || one.getAttribute("aria-label") || `${one.tagName} ${one.dataset.c || one.textContent}`;
  const places = (section) => ({
    scrolls: [...section.querySelectorAll(".chart, .table")].map((box) => [box.scrollLeft, box.scrollTop]),
    open: [...section.querySelectorAll("details")].map((one) => one.open),
    focus: section.contains(document.activeElement) ? key(document.activeElement) : null,
  });
  const goTo = (section, { scrolls, open, focus }) => {
    section.querySelectorAll(".chart, .table").forEach((box, at) => {
      if (scrolls[at]) [box.scrollLeft, box.scrollTop] = scrolls[at];
    });
    section.querySelectorAll("details").forEach((one, at) => { one.open = Boolean(open[at]); });
    const focused = focus && [...section.querySelectorAll("button, summary, [tabindex]")].find((one) => key(one) === focus);
    if (focused) focused.focus({ preventScroll: true });
  };

  const put = (name, html) => {
    const old = byId(name);
    const made = read(html);
    ashPage.prepare(made);
    if (old) {
      const before = places(old);
      old.replaceWith(made);
      goTo(made, before);
    } else {
      byId("main").append(made);
    }
  };

  const take = (update) => {
    version = update.version;
    byId("head").textContent = update.head;
    document.title = `${update.head} \u00b7 ash`;
    if (update.data) ashPage.know(update.data);
    const names = update.titles.map(([name]) => name);
    document.querySelectorAll("main > section").forEach((one) => { if (!names.includes(one.id)) one.remove(); });
    names.forEach((name) => { if (name in update.sections) put(name, update.sections[name]); });
    byId("links").replaceChildren(...update.titles.map(([name, title]) => {
      const link = document.createElement("a");
      link.href = `#${name}`;
      link.textContent = title;
      const item = document.createElement("li");
      item.append(link);
      return item;
    }));
    ashPage.restore();
  };

  const poll = async () => {
    try {
      const answer = await fetch(`updates?since=${version}`);
      if (!answer.ok) throw new Error(await answer.text());
      const update = await answer.json();
      failures = 0;
      if (update.version > version) take(update);
      say(update.running ? "running" : "ended");
      if (!update.running) return;
    } catch (error) {
      failures += 1;
      if (failures === MOST_FAILURES) return say("no longer answered: this is the last that was known");
    }
    setTimeout(poll, PAUSE);
  };
  say("running");
  setTimeout(poll, PAUSE);
})();
