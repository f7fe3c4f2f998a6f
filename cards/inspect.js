// The page of `hf-mbdc inspect`. Texts of the data reach the page through textContent alone, never as markup.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(at(id).textContent);
  const data = read("data");
  const rows = data.rows;
  const byId = new Map(rows.map((row) => [row.id, row]));
  const FORMAT = "hf_mbdc.decisions";
  const VERSION = 1;
  const VERDICTS = ["right", "wrong", "candidate", "open"];
  const STATUSES = ["fuzzy", "absent", "exact", "unanswerable"];
  const PLACE = `hf_mbdc.review.${data.fingerprint}`;
  const LINE = 17; // pixels that a line of the document is high at the readable size

  const filters = { statuses: new Set(), state: "all", sort: "doubt", margin: null, query: "" };
  let decisions = new Map(); // row id → {verdict, start, end, text, note}
  let shown = []; // rows that pass the filters, in order
  let current = null;
  let preferred = null; // view that the person chose
  let zoom = 1;
  let kept = true; // the browser keeps the decisions
  let unsaved = false; // decisions that are neither kept nor downloaded

  // An element with properties, classes and children; children are text or elements.
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  }

  const fixed = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));
  const brief = (value) => (value === null ? "–" : String(Number(value.toPrecision(3))));
  const oneLine = (text) => text.replace(/\s*\n\s*/g, " ↵ ");
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const decided = (row) => (decisions.get(row.id) ?? { verdict: "open" }).verdict !== "open";

  // ---- decisions --------------------------------------------------------------------------------------------------

  function valid(item) {
    const row = item && byId.get(item.id);
    if (!row || !VERDICTS.includes(item.verdict) || typeof (item.note ?? "") !== "string") return false;
    if (item.verdict === "candidate") return row.candidates.some((c) => c.start === item.start && c.end === item.end);
    return item.start === row.label[0] && item.end === row.label[1];
  }

  function take(items) {
    let taken = 0;
    for (const item of Array.isArray(items) ? items : []) {
      if (!valid(item)) continue;
      const { id, verdict, start, end } = item;
      const text = textOf(byId.get(id), start, end);
      decisions.set(id, { verdict, start, end, text, note: item.note ?? "" });
      taken += 1;
    }
    return taken;
  }

  function textOf(row, start, end) {
    const found = row.candidates.find((candidate) => candidate.start === start && candidate.end === end);
    return found ? found.text : "";
  }

  // What is handed out: rows in the order of the data's doubts, whatever is filtered.
  function items() {
    return rows.filter((row) => decisions.has(row.id)).map((row) => ({ id: row.id, ...decisions.get(row.id) }));
  }

  function restore() {
    try {
      take(JSON.parse(localStorage.getItem(PLACE) ?? "[]"));
    } catch {
      kept = false; // storage is switched off for files, or holds something else
    }
  }

  function keep() {
    try {
      localStorage.setItem(PLACE, JSON.stringify(items()));
      kept = true;
    } catch {
      kept = false;
    }
    unsaved = !kept;
  }

  function set(row, verdict, candidate) {
    const note = decisions.get(row.id)?.note ?? "";
    const [start, end] = candidate ? [candidate.start, candidate.end] : row.label;
    if (verdict === "open" && !note) decisions.delete(row.id);
    else decisions.set(row.id, { verdict, start, end, text: textOf(row, start, end), note });
    keep();
  }

  function decide(verdict, candidate = null) {
    if (!current) return;
    if (verdict === "right" && current.chosen < 0 && current.label[0] >= 0) return;
    const row = current;
    const following = nextOpen(row);
    set(row, verdict, candidate);
    const missing = row.label[0] < 0;
    const words = { right: missing ? "Not there" : "Right", wrong: missing ? "It is there" : "Wrong", candidate: candidate && `Moved to “${oneLine(candidate.text)}”` };
    say(following ? words[verdict] : `${words[verdict]}. All ${plural(shown.length, "row")} here decided: download.`);
    list(following ?? row);
  }

  function undo() {
    if (!current || !decided(current)) return;
    set(current, "open");
    say("Undone");
    list(current);
  }

  function note(text) {
    if (!current) return;
    const row = current;
    const old = decisions.get(row.id);
    if (text === (old?.note ?? "")) return;
    const [start, end] = row.label;
    decisions.set(row.id, { ...(old ?? { verdict: "open", start, end, text: textOf(row, start, end) }), note: text });
    if (!text && decisions.get(row.id).verdict === "open") decisions.delete(row.id);
    keep();
    progress();
    mark(row);
  }

  function download(text, kind, suffix) {
    const name = [data.repo_id, data.revision, data.split].filter(Boolean).join("-").replace(/[^\w.-]+/g, "-");
    const url = URL.createObjectURL(new Blob([text], { type: kind }));
    make("a", { href: url, download: `decisions${name ? `-${name}` : ""}.${suffix}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    unsaved = false;
    progress();
    say(`${plural(items().length, "decision")} downloaded`);
  }

  function asJson() {
    const { repo_id, revision, split } = data;
    const about = { format: FORMAT, version: VERSION, repo_id, revision, split };
    return `${JSON.stringify({ ...about, decisions: items() }, null, 1)}\n`;
  }

  // A spreadsheet takes a cell that begins with = + - @ for a formula: such a text gets an apostrophe in front.
  function asCsv() {
    const cell = (value) => {
      let text = String(value ?? "");
      if (typeof value === "string" && /^[=+\-@\t\r\n']/.test(text)) text = `'${text}`;
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const names = ["repo_id", "revision", "split", "id", "verdict", "start", "end", "text", "note"];
    const lines = items().map((item) => names.map((name) => cell(name in item ? item[name] : data[name])).join(","));
    return `\ufeff${[names.join(","), ...lines].join("\r\n")}\r\n`;
  }

  async function open(file) {
    let found = null;
    try {
      found = JSON.parse(await file.text());
    } catch {
      return say("This file is not the JSON that was downloaded here");
    }
    if (found?.format !== FORMAT || found.version !== VERSION) return say("This file holds no decisions");
    const taken = take(found.decisions);
    keep();
    list(current);
    say(`${taken} of ${plural(found.decisions?.length ?? 0, "decision")} belong to these rows and were taken`);
  }

  // ---- the list ---------------------------------------------------------------------------------------------------

  const high = (value) => (value === null ? Infinity : value);
  const ORDER = {
    doubt: (a, b) => b.doubt - a.doubt,
    score: (a, b) => high(a.score) - high(b.score),
    margin: (a, b) => high(a.margin) - high(b.margin),
    id: (a, b) => (a.id < b.id ? -1 : 1),
  };

  function passes(row) {
    if (filters.statuses.size && !filters.statuses.has(row.status)) return false;
    if (filters.margin !== null && (row.margin === null || row.margin > filters.margin)) return false;
    const decision = decisions.get(row.id);
    const verdict = decision?.verdict ?? "open";
    const wanted = {
      all: true,
      done: verdict !== "open",
      note: Boolean(decision?.note),
    };
    if (!(wanted[filters.state] ?? verdict === filters.state)) return false;
    const text = [row.id, row.question, row.document_id ?? "", ...row.answers].join("\n").toLowerCase();
    return text.includes(filters.query.toLowerCase());
  }

  // Applies the filters; `wanted` is shown if it passes, else the first row that does.
  function list(wanted) {
    shown = rows.filter(passes).sort(ORDER[filters.sort] ?? ORDER.doubt);
    at("rows").replaceChildren(...shown.map(entry));
    const where = shown.length === rows.length ? "" : ` of ${rows.length}`;
    at("matching").textContent = shown.length ? `${plural(shown.length, "row")}${where}` : "No row passes these filters.";
    progress();
    show(shown.includes(wanted) ? wanted : (shown[0] ?? null));
  }

  function entry(row) {
    const places = row.candidates.length + row.left_out;
    const button = make(
      "button",
      { type: "button", class: "entry", tabindex: "-1", onclick: () => { show(row); openQueue(false); } },
      make("span", { class: "glyph", "aria-hidden": "true" }),
      make("span", { class: "what" }, make("bdi", { class: "answer" }, row.answers[0] ?? "no answer given"),
        make("bdi", { class: "question" }, row.question || row.id)),
      make("span", { class: `status ${row.status}${places > 1 ? " several" : ""}` }, row.status, places > 1 ? ` ×${places}` : null),
      make("span", { class: "hidden verdict" }),
    );
    const item = make("li", {}, button);
    item.dataset.id = row.id;
    paint(item, row);
    return item;
  }

  const itemOf = (row) => at("rows").children[shown.indexOf(row)];

  function paint(item, row) {
    const decision = decisions.get(row.id);
    const verdict = decision?.verdict ?? "open";
    const number = row.candidates.findIndex((c) => c.start === decision?.start && c.end === decision?.end) + 1;
    const glyphs = { right: "✓", wrong: "✕", candidate: `→${number}`, open: decision?.note ? "✎" : "" };
    item.dataset.verdict = verdict;
    item.querySelector(".glyph").textContent = glyphs[verdict];
    item.querySelector(".verdict").textContent = verdict === "open" ? "undecided" : verdict;
  }

  function mark(row) {
    const item = itemOf(row);
    if (item) paint(item, row);
  }

  function step(by) {
    const place = shown.indexOf(current) + by;
    if (place < 0 || place >= shown.length) return say(by > 0 ? "This is the last row" : "This is the first row");
    show(shown[place]);
  }

  function nextOpen(from) {
    const place = shown.indexOf(from);
    const order = [...shown.slice(place + 1), ...shown.slice(0, Math.max(place, 0))];
    return order.find((row) => !decided(row)) ?? null;
  }

  function progress() {
    const count = rows.filter(decided).length;
    at("bar").max = rows.length;
    at("bar").value = count;
    at("done").textContent = `${count} of ${rows.length} decided`;
    at("kept").textContent = kept ? (count ? "Kept in this browser" : "") : "Not kept here: download before you close this page";
    at("kept").classList.toggle("warning", !kept);
  }

  let silence = 0;
  function say(text) {
    at("said").textContent = text;
    at("said").classList.add("on");
    clearTimeout(silence);
    silence = setTimeout(() => at("said").classList.remove("on"), 2500);
  }

  // ---- one row ----------------------------------------------------------------------------------------------------

  function show(row) {
    const moved = row !== current;
    at("rows").querySelector("[aria-current]")?.removeAttribute("aria-current");
    current = row;
    at("panel").classList.toggle("empty", !row);
    for (const id of ["right", "wrong", "undo", "note", "previous", "next"]) at(id).disabled = !row;
    if (!row) {
      at("row").replaceChildren(make("p", { class: "nothing" }, "No row passes these filters."));
      at("stage").replaceChildren();
      at("modes").replaceChildren();
      at("notice").textContent = "";
      return;
    }
    const button = itemOf(row).firstChild;
    for (const other of at("rows").querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    button.setAttribute("aria-current", "true");
    button.tabIndex = 0;
    button.scrollIntoView({ block: "nearest" });
    at("row").replaceChildren(...summary(row));
    at("note").value = decisions.get(row.id)?.note ?? "";
    const decision = decisions.get(row.id);
    const missing = row.label[0] < 0; // then what is judged is that there is nothing
    at("right").firstChild.textContent = missing ? "Not there" : "Right";
    at("wrong").firstChild.textContent = missing ? "It is there" : "Wrong";
    at("right").setAttribute("aria-pressed", decision?.verdict === "right");
    at("wrong").setAttribute("aria-pressed", decision?.verdict === "wrong");
    at("undo").disabled = !decided(row);
    at("right").disabled = row.chosen < 0 && row.label[0] >= 0;
    if (moved) {
      at("row").scrollTop = 0;
      draw(row);
    } else highlight(row);
  }

  function summary(row) {
    const facts = [["match", fixed(row.score)], ["margin", brief(row.margin)]];
    if (row.margin !== null) facts[1].push(row.by_choice ? "between the scores of the choice" : "between match scores");
    return [
      make("div", { class: "facts" }, make("span", { class: `status ${row.status}` }, row.status),
        facts.map(([name, value, title]) => make("span", { title }, `${name} `, make("b", {}, value))),
        make("span", { class: "place" }, `${shown.indexOf(row) + 1} / ${shown.length}`)),
      make("h2", { dir: "auto" }, row.question || "No question"),
      make("p", { class: "origin" }, make("bdi", {}, row.id), row.source ? make("span", { class: "source" }, row.source) : null),
      make("h3", {}, "Answer given"),
      row.answers.length
        ? make("ul", { class: "answers" }, row.answers.map((answer) => make("li", { dir: "auto" }, oneLine(answer))))
        : make("p", { class: "none" }, "None: the question is unanswerable."),
      make("ul", { class: "reasons" }, row.reasons.map((reason) => make("li", {}, reason))),
      make("h3", {}, row.candidates.length < 2 ? "Found on the page" : `Found on the page, ${plural(row.candidates.length + row.left_out, "place")}`),
      row.candidates.length
        ? make("ol", { class: "candidates" }, row.candidates.map((candidate, number) => choice(row, candidate, number)))
        : make("p", { class: "none" }, row.status === "unanswerable" ? "Nothing to find." : "Nothing that is near enough."),
      row.left_out ? make("p", { class: "none" }, `${row.left_out} weaker ones are not shown.`) : null,
    ].filter(Boolean);
  }

  function choice(row, candidate, number) {
    const decision = decisions.get(row.id);
    const taken = decision && ["right", "candidate"].includes(decision.verdict)
      && decision.start === candidate.start && decision.end === candidate.end;
    const isLabel = number === row.chosen;
    const scores = [`match ${fixed(candidate.score)}`];
    if (candidate.choice !== null) scores.push(`choice ${brief(candidate.choice)}`);
    const button = make(
      "button",
      {
        type: "button", class: `candidate${isLabel ? " label" : ""}${taken ? " taken" : ""}`, "aria-pressed": String(Boolean(taken)),
        title: isLabel ? "The label: right" : "This one is the right one",
        onclick: () => pick(number), onfocus: () => highlight(row, number), onmouseenter: () => highlight(row, number, false),
        onmouseleave: () => highlight(row, row.chosen, false),
      },
      make("kbd", {}, String(number + 1)),
      make("span", { class: "context", dir: "auto" },
        make("span", { class: "around" }, oneLine(candidate.before)),
        make("mark", {}, oneLine(candidate.text)),
        make("span", { class: "around" }, oneLine(candidate.after))),
      make("span", { class: "scores" }, isLabel ? make("span", { class: "tag" }, "label") : null, scores.join(" · ")),
      candidate.difference ? difference(candidate.difference) : null,
    );
    return make("li", {}, button);
  }

  function difference(pieces) {
    const tags = { "=": "span", "-": "del", "+": "ins" };
    return make("span", { class: "difference", dir: "auto" }, pieces.map(([kind, text]) => make(tags[kind], {}, oneLine(text))));
  }

  function pick(number) {
    const candidate = current?.candidates[number];
    if (!candidate) return say(`There is no candidate ${number + 1}`);
    if (number === current.chosen) decide("right");
    else if (candidate.extra) say("This is no candidate");
    else decide("candidate", candidate);
  }

  // ---- the document -----------------------------------------------------------------------------------------------

  const documents = new Map();
  function documentOf(row) {
    if (!documents.has(row.document)) documents.set(row.document, read(`document-${row.document}`));
    return documents.get(row.document);
  }

  // Which views there are of a document; the first one is shown unless the person chose another.
  function views(row, doc) {
    if (row.text || !doc.pages.length) return ["text"];
    const images = doc.pages.filter((page) => page.image);
    if (!images.length) return ["words"];
    return images.every((page) => page.image.frame) ? ["image", "words"] : ["words", "image"];
  }

  function draw(row) {
    const doc = documentOf(row);
    const there = views(row, doc);
    const mode = there.includes(preferred) ? preferred : there[0];
    at("modes").replaceChildren(...there.map((name) => make("button", {
      type: "button", "aria-pressed": String(name === mode), title: there.length > 1 ? "Image or words (V)" : null,
      onclick: () => { preferred = name; draw(current); },
    }, name)));
    at("notice").textContent = notice(row, doc, mode);
    at("stage").dataset.mode = mode;
    at("stage").replaceChildren(...(mode === "text" ? [plainText(row)] : doc.pages.map((page) => drawPage(row, doc, page, mode))));
    for (const id of ["smaller", "fit", "larger"]) at(id).disabled = false;
    size();
    highlight(row);
  }

  function notice(row, doc, mode) {
    const problem = doc.pages.find((page) => page.problem)?.problem;
    if (mode === "image" && doc.pages.some((page) => page.image && !page.image.frame)) return "Where the boxes lie on this image cannot be told; see the words.";
    if (mode === "words" && problem) return `Image: ${problem}.`;
    if (doc.page_count > doc.pages.length) return `${doc.pages.length} of ${doc.page_count} pages.`;
    return "";
  }

  function plainText(row) {
    const text = make("div", { class: "text", dir: "auto" });
    for (const [piece, number] of row.text ?? []) {
      if (number === -1) text.append(piece);
      else if (number === -2) text.append(make("span", { class: "gap" }, piece));
      else text.append(spot(make("mark", {}, piece), row, number));
    }
    return text;
  }

  // Part of the drawn sheet, as shares of its sides, that the boxes span; a sheet of words gets a margin.
  function sheet(page, mode) {
    if (mode === "image" && page.image) return { aspect: page.image.aspect, frame: page.image.frame };
    return { aspect: page.aspect, frame: [0.05, 0.05 / page.aspect, 0.95, 1 - 0.05 / page.aspect] };
  }

  function drawPage(row, doc, page, mode) {
    const { aspect, frame } = sheet(page, mode);
    const element = make("div", { class: "page" });
    element.style.aspectRatio = `1 / ${aspect}`;
    element.dataset.line = frame ? (page.line / 1000) * (frame[3] - frame[1]) * aspect : 0.02;
    if (mode === "image" && page.image) {
      const source = `data:image/webp;base64,${at(`image-${page.image.name}`).textContent}`;
      element.append(make("img", { src: source, alt: "The document", draggable: "false" }));
    } else element.append(drawWords(page, aspect, frame));
    if (doc.page_count > 1) element.append(make("span", { class: "folio" }, `page ${page.page + 1}`));
    if (page.left_out && mode === "words") element.append(make("span", { class: "folio" }, `${page.left_out} words left out`));
    if (!frame) return element;
    row.candidates.forEach((candidate, number) => {
      candidate.boxes.filter(([own]) => own === page.page).forEach((box, line) => {
        const place = make("div", { class: "box" }, line === 0 ? make("span", { class: "flag" }, String(number + 1)) : null);
        const [x0, y0, x1, y1] = placed(box.slice(1), frame);
        Object.assign(place.style, {
          left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%`,
        });
        element.append(spot(place, row, number));
      });
    });
    return element;
  }

  const placed = ([x0, y0, x1, y1], [fx0, fy0, fx1, fy1]) => [
    fx0 + (x0 / 1000) * (fx1 - fx0), fy0 + (y0 / 1000) * (fy1 - fy0),
    fx0 + (x1 / 1000) * (fx1 - fx0), fy0 + (y1 / 1000) * (fy1 - fy0),
  ];

  function drawWords(page, aspect, frame) {
    const svg = (tag, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      return element;
    };
    const root = svg("svg", { viewBox: `0 0 1000 ${1000 * aspect}`, role: "img", "aria-label": "The words of the document at their places" });
    for (const [bx0, by0, bx1, by1, word] of page.words) {
      const [x0, y0, x1, y1] = placed([bx0, by0, bx1, by1], frame).map((share, k) => share * 1000 * (k % 2 ? aspect : 1));
      root.append(svg("rect", { x: x0, y: y0, width: Math.max(x1 - x0, 0.5), height: Math.max(y1 - y0, 0.5) }));
      const text = svg("text", { x: x0, y: y0 + (y1 - y0) * 0.78, "font-size": Math.max((y1 - y0) * 0.82, 1) });
      if (x1 > x0) {
        text.setAttribute("textLength", x1 - x0);
        text.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
      text.textContent = word;
      root.append(text);
    }
    return root;
  }

  function spot(element, row, number) {
    element.dataset.number = number;
    element.dataset.tag = number + 1;
    element.classList.add("spot");
    element.addEventListener("click", () => pick(number));
    element.title = number === row.chosen ? "The label" : `Candidate ${number + 1}`;
    return element;
  }

  function size() {
    const stage = at("stage");
    stage.style.setProperty("--text", `${Math.round(17 * zoom)}px`);
    for (const page of stage.querySelectorAll(".page")) {
      const room = stage.clientWidth - 48;
      const readable = Math.min(Math.max(LINE / Number(page.dataset.line), Math.min(room, 320)), 2.2 * room);
      page.style.width = `${Math.round(readable * zoom)}px`;
    }
  }

  function resize(factor) {
    zoom = factor === 0 ? 1 : Math.min(Math.max(zoom * factor, 0.25), 6);
    size();
    if (current) highlight(current);
  }

  // Marks what is looked at, the label unless a candidate is given, and brings it to the middle.
  function highlight(row, number, move = true) {
    const decision = decisions.get(row.id);
    const own = decision?.verdict === "candidate" ? row.candidates.findIndex((c) => c.start === decision.start && c.end === decision.end) : row.chosen;
    const looked = number ?? own;
    let first = null;
    for (const element of at("stage").querySelectorAll(".spot")) {
      const mine = Number(element.dataset.number);
      element.classList.toggle("label", mine === row.chosen);
      element.classList.toggle("taken", decided(row) && decision.verdict !== "wrong" && mine === own);
      element.classList.toggle("refused", decision?.verdict === "wrong" && mine === row.chosen);
      element.classList.toggle("looked", mine === looked);
      if (mine === looked && !first) first = element;
    }
    if (!move) return;
    const stage = at("stage");
    if (!first) return stage.scrollTo(0, 0);
    const [inner, outer] = [first.getBoundingClientRect(), stage.getBoundingClientRect()];
    stage.scrollBy(inner.left + inner.width / 2 - outer.left - outer.width / 2, inner.top + inner.height / 2 - outer.top - outer.height / 2);
  }

  // ---- controls ---------------------------------------------------------------------------------------------------

  const KEYS = {
    j: () => step(1), k: () => step(-1), a: () => decide("right"), x: () => decide("wrong"), u: undo,
    o: () => { const row = current && nextOpen(current); if (row) show(row); else say("No other row is undecided"); },
    n: () => at("note").focus(), "/": () => { openQueue(true); at("query").focus(); }, "?": () => at("keys").showModal(),
    "+": () => resize(1.25), "=": () => resize(1.25), "-": () => resize(0.8), 0: () => resize(0),
    v: () => {
      const there = current ? views(current, documentOf(current)) : [];
      if (there.length < 2) return say("There is only this view");
      const shownNow = there.includes(preferred) ? preferred : there[0];
      preferred = there[(there.indexOf(shownNow) + 1) % there.length];
      draw(current);
    },
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || at("keys").open) return;
    const typing = event.target.matches?.("input, textarea, select");
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const inList = at("rows").contains(event.target);
    const action = /^[1-9]$/.test(key) ? () => pick(Number(key) - 1)
      : inList && key === "ArrowDown" ? KEYS.j : inList && key === "ArrowUp" ? KEYS.k : Object.hasOwn(KEYS, key) ? KEYS[key] : null;
    if (!action) return;
    event.preventDefault();
    action();
    if (inList && current) itemOf(current)?.firstChild.focus();
  }

  function openQueue(wide) {
    at("queue").classList.toggle("open", wide);
    at("queue-toggle").setAttribute("aria-expanded", String(wide));
  }

  function chips() {
    return STATUSES.filter((status) => rows.some((row) => row.status === status)).map((status) => {
      const count = rows.filter((row) => row.status === status).length;
      const chip = make("button", { type: "button", class: `chip ${status}`, "aria-pressed": "false" }, `${status} `, make("b", {}, String(count)));
      chip.addEventListener("click", () => {
        if (!filters.statuses.delete(status)) filters.statuses.add(status);
        chip.setAttribute("aria-pressed", String(filters.statuses.has(status)));
        list(current);
      });
      return chip;
    });
  }

  function heading() {
    const where = [data.revision, data.split].filter(Boolean).join(" · ");
    at("title").append(make("b", {}, data.repo_id ?? "Review"), " ", make("span", {}, where));
    const left = data.selected - rows.length;
    if (left > 0) at("filters").append(make("p", { class: "left-out" }, `${left} more of the ${data.selected} rows asked for were left out: raise --limit to see them.`));
  }

  function wire() {
    const change = (id, name, value = (text) => text) => at(id).addEventListener("input", (event) => {
      filters[name] = value(event.target.value);
      list(current);
    });
    change("state", "state");
    change("sort", "sort");
    change("query", "query", (text) => text.trim());
    change("margin", "margin", (text) => {
      const limit = Number(text.trim().replace(",", "."));
      at("margin").setAttribute("aria-invalid", String(Number.isNaN(limit)));
      return text.trim() === "" || Number.isNaN(limit) ? null : limit;
    });
    at("filters").addEventListener("submit", (event) => event.preventDefault());
    for (const [id, action] of Object.entries({
      right: KEYS.a, wrong: KEYS.x, undo, next: KEYS.j, previous: KEYS.k, help: KEYS["?"],
      smaller: KEYS["-"], larger: KEYS["+"], fit: KEYS[0],
      "download-json": () => download(asJson(), "application/json", "json"),
      "download-csv": () => download(asCsv(), "text/csv", "csv"),
      "queue-toggle": () => openQueue(!at("queue").classList.contains("open")),
    })) at(id).addEventListener("click", action);
    at("note").addEventListener("input", (event) => note(event.target.value));
    at("open").addEventListener("change", (event) => {
      if (event.target.files[0]) open(event.target.files[0]);
      event.target.value = "";
    });
    document.addEventListener("keydown", pressed);
    addEventListener("resize", size);
    addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  }

  restore();
  heading();
  at("statuses").append(...chips());
  wire();
  list(rows.find((row) => !decided(row)) ?? rows[0]);
})();
