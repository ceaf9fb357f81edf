// The sliders: reads a workload from them, ranks the strategies by the model, keeps the workload in
// the page's address. Without it the page shows the six usual cases as a table.
(() => {
  const data = JSON.parse(document.getElementById("decide-data").textContent);
  const root = document.getElementById("decide-form");
  const SLIDERS = [
    // Key, words, unit, least, most; by ratio but for the first step, which is nothing.
    ["store_rtt_ms", "Round trip to the store", "ms", 0.01, 200],
    ["requests_per_second", "Requests at the peak", "per second", 1, 1000000],
    ["lifetime_s", "Lifetime of a token", "s", 10, 1000000],
    ["lag_limit_s", "A logout must work within", "s", 0.01, 1000000],
    ["nodes", "Nodes", "", 1, 1000],
    ["internal_hops", "Calls inside, for each from outside", "", 1, 100],
    ["claims_bytes", "Claims", "bytes", 30, 8000],
    ["application_ms", "The application's own CPU per request", "ms", 0.01, 1000],
    ["sessions", "Live sessions", "", 100, 100000000],
    ["core", "Price of a processor", "a month", 0.1, 1000],
  ];
  const SWITCHES = [
    ["end_all", "log out everywhere"], ["list_sessions", "list a user's sessions"],
    ["third_party", "strangers can verify"], ["single_use", "good once"],
    ["no_revival", "a lost store revives nothing"],
  ];
  const ZERO = ["store_rtt_ms", "lag_limit_s", "internal_hops"];
  const STEPS = 400;
  let workload = structuredClone(data.presets[0]);
  let baseline = "";

  const digits = (x) => (x === 0 ? "0" : Number(x.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 }));
  const place = (w, key) => (key === "core" ? w.prices : key in w.demands ? w.demands : w);
  const get = (key) => place(workload, key)[key];
  const set = (key, value) => { place(workload, key)[key] = value; };
  // 0 is nothing where nothing is possible; the last step of a limit is "any time".
  const toStep = (key, low, high, value) => {
    if (value === null || value === undefined) return STEPS;
    if (value <= 0) return 0;
    const first = ZERO.includes(key) ? 1 : 0;
    const share = Math.log(value / low) / Math.log(high / low);
    return Math.round(Math.min(Math.max(first + share * (STEPS - first), first), STEPS));
  };
  const toValue = (key, low, high, step) => {
    if (key === "lag_limit_s" && step >= STEPS) return null;
    if (step === 0 && ZERO.includes(key)) return 0;
    const first = ZERO.includes(key) ? 1 : 0;
    const value = low * Math.pow(high / low, (step - first) / (STEPS - first));
    return key === "nodes" || key === "internal_hops" ? Math.round(value) : Number(value.toPrecision(3));
  };
  const within = (s) => (s > 0 ? seconds(s) : "at once");
  const seconds = (s) => (s <= 0 ? "none" : s < 1 ? `${Math.round(s * 1e3)} ms`
    : s < 120 ? `${Math.round(s * 100) / 100} s` : `${Math.round(s / 6) / 10} min`);
  const make = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    return node;
  };

  const outputs = new Map(), inputs = new Map(), boxes = new Map();
  const presets = make("select", undefined, { id: "preset" });
  const bases = make("select", undefined, { id: "baseline" });
  const families = make("select", undefined, { id: "family" });
  const down = make("select", undefined, { id: "store_down" });
  const verdict = make("p", "", { role: "status", "aria-live": "polite", class: "verdict" });
  const body = make("tbody");

  function labelled(words, control) {
    const label = make("label", words, { for: control.id });
    const row = make("div", undefined, { class: "control" });
    row.append(label, control);
    return row;
  }

  function build() {
    data.presets.forEach((w) => presets.append(make("option", w.name, { value: w.name })));
    presets.append(make("option", "your own", { value: "" }));
    bases.append(make("option", "the best", { value: "" }));
    data.figures.strategies.forEach((f) => bases.append(make("option", f.declared.id, { value: f.declared.id })));
    const all = [...new Set(data.figures.strategies.map((f) => f.declared.family))];
    families.append(make("option", "all", { value: "" }));
    all.forEach((family) => families.append(make("option", family, { value: family })));
    [["any", "anything"], ["closed", "no revoked credential works"], ["goes-on", "good ones go on working"]]
      .forEach(([value, words]) => down.append(make("option", words, { value })));
    const grid = make("div", undefined, { class: "controls" });
    grid.append(labelled("Start from", presets));
    for (const [key, words, unit, low, high] of SLIDERS) {
      const input = make("input", undefined, { id: `w-${key}`, type: "range", min: 0, max: STEPS, step: 1 });
      const output = make("output", "", { for: `w-${key}` });
      input.addEventListener("input", () => {
        set(key, toValue(key, low, high, Number(input.value)));
        presets.value = "";
        turned();
      });
      inputs.set(key, [input, unit, low, high]);
      outputs.set(key, output);
      const row = labelled(words, input);
      row.append(output);
      grid.append(row);
    }
    const needs = make("fieldset");
    needs.append(make("legend", "It must"));
    for (const [key, words] of SWITCHES) {
      const box = make("input", undefined, { id: `w-${key}`, type: "checkbox" });
      box.addEventListener("change", () => { set(key, box.checked); presets.value = ""; turned(); });
      boxes.set(key, box);
      const label = make("label", undefined, { for: box.id });
      label.append(box, ` ${words}`);
      needs.append(label);
    }
    grid.append(needs, labelled("While the store is down", down), labelled("Compare with", bases),
      labelled("Show", families));
    const table = make("table");
    const head = make("tr");
    ["strategy", "a month", "against the baseline", "cores", "share of CPU", "added median", "lag",
      "lag when cut off", "out by"].forEach((words) => head.append(make("th", words, { scope: "col" })));
    const thead = make("thead");
    thead.append(head);
    table.append(make("caption", "Every strategy under this workload, the best first"), thead, body);
    const scroll = make("div", undefined, { class: "scroll", tabindex: 0, role: "region", "aria-label": "Ranking" });
    scroll.append(table);
    root.append(grid, verdict, scroll);
    presets.addEventListener("change", () => {
      const found = data.presets.find((w) => w.name === presets.value);
      if (found) workload = structuredClone(found);
      turned();
    });
    down.addEventListener("change", () => { workload.demands.store_down = down.value; presets.value = ""; turned(); });
    bases.addEventListener("change", () => { baseline = bases.value; turned(); });
    families.addEventListener("change", turned);
    root.hidden = false;
  }

  function show() {
    for (const [key, [input, unit, low, high]] of inputs) {
      const value = get(key);
      const step = toStep(key, low, high, value);
      if (toValue(key, low, high, Number(input.value)) !== value) input.value = step;
      const words = value === null || value === undefined ? "any time" : `${digits(value)} ${unit}`.trim();
      outputs.get(key).textContent = words;
      input.setAttribute("aria-valuetext", words);
    }
    boxes.forEach((box, key) => { box.checked = Boolean(workload.demands[key]); });
    down.value = workload.demands.store_down;
  }

  function draw() {
    show();
    const ranked = authbench.rank(data.figures, workload);
    const best = ranked[0];
    const money = (a) => (a.monthly ? a.monthly.value : null);
    const base = money(ranked.find((a) => a.strategy === baseline) ?? best);
    const near = authbench.indifferent(workload);
    verdict.textContent = best.broken.length
      ? "No strategy meets all of this; the table says what each of them breaks."
      : `Take ${best.strategy}${best.share_percent ? `: authentication is ${digits(best.share_percent.value)} % of a request's CPU${best.share_percent.high < 1 ? ", invisible" : ""}` : ", whose CPU was not measured at this rate on a node"}. `
        + `Prices within ${digits(near)} a month of the cheapest do not decide.`;
    body.replaceChildren();
    for (const a of ranked.filter((x) => !families.value || x.family === families.value)) {
      const row = make("tr", undefined, a.broken.length ? { class: "out" } : {});
      row.append(make("th", a.strategy, { scope: "row" }));
      const price = money(a);
      const cells = [
        price === null ? "not measured" : `${digits(price)} (${digits(a.monthly.low)} to ${digits(a.monthly.high)})`,
        price === null || base === null || base === 0 ? "-" : `${price >= base ? "+" : ""}${digits(price - base)}`,
        a.cores ? digits(a.cores.value) : "-",
        a.share_percent ? `${digits(a.share_percent.value)} %` : "-",
        a.latency_ns ? `${digits(a.latency_ns.value / 1e6)} ms` : "-",
        a.lag ? within(a.lag.worst_s) : "-",
        a.lag ? within(a.lag.partition_s) : "-",
        a.broken.join(", "),
      ];
      cells.forEach((text) => row.append(make("td", text)));
      body.append(row);
    }
  }
  const turned = () => { draw(); save(); };

  const STATE = [...SLIDERS.map(([key]) => key), ...SWITCHES.map(([key]) => key), "store_down"];
  let pending = 0;
  // Only what the reader does is written, and not at every step of a slider.
  function save() {
    clearTimeout(pending);
    pending = setTimeout(() => {
      const state = new URLSearchParams();
      state.set("case", workload.name);
      STATE.forEach((key) => {
        const value = get(key);
        if (value !== null && value !== undefined) state.set(key, value);
      });
      if (baseline) state.set("baseline", baseline);
      if (families.value) state.set("family", families.value);
      history.replaceState(null, "", `#decide?${state}`);
    }, 300);
  }
  function take(state, [key, , , low, high]) {
    const text = state.get(key);
    // A limit that is not in the address is not demanded.
    if (text === null && key === "lag_limit_s") set(key, null);
    const value = Number(text);
    if (text === null || text.trim() === "" || !Number.isFinite(value)) return;
    const least = ZERO.includes(key) && value < low ? 0 : low;
    set(key, Math.min(Math.max(value, least), high));
  }
  function restore() {
    const [section, query] = location.hash.split("?");
    if (section !== "#decide" || !query) return false;
    const state = new URLSearchParams(query);
    const found = data.presets.find((w) => w.name === state.get("case"));
    workload = structuredClone(found ?? data.presets[0]);
    SLIDERS.forEach((slider) => take(state, slider));
    SWITCHES.forEach(([key]) => { if (state.has(key)) set(key, state.get(key) === "true"); });
    const need = state.get("store_down");
    if (["any", "closed", "goes-on"].includes(need)) set("store_down", need);
    const known = (select, value) => [...select.options].some((option) => option.value === value);
    const [base, family] = [state.get("baseline") ?? "", state.get("family") ?? ""];
    baseline = known(bases, base) ? base : "";
    bases.value = baseline;
    families.value = known(families, family) ? family : "";
    return true;
  }
  function begin() {
    restore();
    draw();
    const same = data.presets.find((w) => JSON.stringify(w) === JSON.stringify(workload));
    presets.value = same ? same.name : "";
  }

  build();
  begin();
  window.addEventListener("hashchange", begin);
})();
