// The cost model of `authbench decide`, once more, for the reader's browser. It is held to the other
// one by golden vectors: whoever changes one of the two changes both.
"use strict";
const authbench = (() => {
  const GIB = 1073741824, MONTH_S = 2629746, INDIFFERENCE = 0.01, INDIFFERENCE_MS = 1;
  const map = (i, f) => ({ value: f(i.value), low: f(i.low), high: f(i.high) });
  const plus = (a, b) => ({ value: a.value + b.value, low: a.low + b.low, high: a.high + b.high });
  const exactly = (value) => ({ value, low: value, high: value });
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

  const MISSES_MAX = 0.5, NODE_BYTES_MIN = 64;
  const perNode = (w) => (w.requests_per_second * (1 + w.internal_hops)) / w.nodes;
  const remembers = (f) => f.declared.remembers ?? null;
  function misses(f, w) {
    const r = remembers(f);
    if (r === null) return 1;
    const steady = (perNode(w) * w.nodes) / Math.max(w.sessions, 1);
    const forever = (r.for_ns ?? null) === null;
    const life = forever ? w.session_s
      : f.declared.family === "session" ? w.period_s : r.for_ns / 1e9;
    const b = w.burst + steady * life, n = w.nodes;
    const first = (n * (1 - Math.pow(1 - 1 / n, b))) / b;
    const wanted = Math.max(Math.min(w.sessions, perNode(w) * life), 1);
    return clamp(1 - (1 - first) * Math.min(r.entries / wanted, 1), 0, 1);
  }
  const same = (a, b) => (a ?? null) === (b ?? null);
  const fallback = (figures, own) =>
    figures.strategies.find((f) => !f.declared.redis_cached && remembers(f) === null
      && same(f.declared.family, own.declared.family)
      && same(f.declared.algorithm, own.declared.algorithm)
      && same(f.declared.store, own.declared.store) && f.cpu_ns);

  const SAME = 1.1;
  const around = (i, by) => ({ value: i.value, low: i.low - by, high: i.high + by });
  function cpuAt(points, rate, below) {
    const first = (points ?? [])[0];
    if (!first) return null;
    const last = points[points.length - 1];
    if (rate > last.per_second * SAME) return null;
    if (rate >= last.per_second) return map(last, (x) => x);
    if (rate < first.per_second / SAME) return below ? around(first, below.error_ns) : null;
    const upper = points.findIndex((p) => p.per_second > rate);
    const [a, b] = [points[Math.max(upper - 1, 0)], points[upper]];
    const whole = Math.log(b.per_second / a.per_second);
    const share = whole > 0 ? clamp(Math.log(rate / a.per_second) / whole, 0, 1) : 0;
    return plus(map(a, (x) => x * (1 - share)), map(b, (x) => x * share));
  }
  const atRate = (figures, f, w) => {
    const law = figures.idle_law ?? null, first = (f.cpu_by_rate ?? [])[0];
    const holds = law !== null && first && first.per_second <= law.from * SAME
      && (f.declared.redis_background_per_second ?? 0) === 0;
    return cpuAt(f.cpu_by_rate, perNode(w), holds ? law : null);
  };

  function check(figures, f, w) {
    const r = remembers(f), then = f.commands ? f.commands.value : 0;
    if (r === null || then > MISSES_MAX) return atRate(figures, f, w);
    const other = fallback(figures, f), miss = other && atRate(figures, other, w);
    if (!miss) return null;
    const forever = (r.for_ns ?? null) === null;
    const own = forever ? atRate(figures, f, w) : f.cpu_ns;
    const asked = forever ? miss : other.cpu_ns, m = misses(f, w);
    if (!own) return null;
    const hit = (measured, away) => Math.max((measured - then * away) / (1 - then), 0);
    return {
      value: (1 - m) * hit(own.value, asked.value) + m * miss.value,
      low: (1 - m) * hit(own.low, asked.high) + m * miss.low,
      high: (1 - m) * hit(own.high, asked.low) + m * miss.high,
    };
  }

  const hopsVerify = (f) => f.declared.hops_verify ?? null;
  function behind(figures, f) {
    if (hopsVerify(f) === null) return f;
    return figures.strategies.find((o) => o.declared.family === "token"
      && same(o.declared.algorithm, hopsVerify(f)) && o.cpu_ns);
  }
  function hop(figures, f, own, w) {
    if (hopsVerify(f) === null) return own;
    const inner = behind(figures, f);
    return inner ? atRate(figures, inner, w) : null;
  }

  const FEW_CLAIMS = 32;
  function ofClaims(figures, f, w) {
    const own = claimsEach(figures, f, w);
    const other = remembers(f) !== null ? fallback(figures, f) : null;
    if (!own || !other) return own;
    const miss = claimsEach(figures, other, w), m = misses(f, w);
    return miss && plus(map(own, (x) => x * (1 - m)), map(miss, (x) => x * m));
  }
  function claimsEach(figures, f, w) {
    const own = f.claims_bytes ?? w.claims_bytes, extra = w.claims_bytes - own;
    const points = f.cpu_by_claims ?? [], last = points[points.length - 1];
    if (extra < FEW_CLAIMS || !last) return exactly(0);
    if (extra > last.extra_bytes * SAME) return null;
    const x = clamp(extra, 0, last.extra_bytes);
    const upper = points.findIndex((p) => p.extra_bytes >= x), b = points[upper];
    const ns = (p) => {
      const none = cpuAt(figures.none_by_rate, p.per_second, { error_ns: 0 });
      return none && map(p, (y) => y * none.value);
    };
    const a = upper > 0 ? points[upper - 1] : null, from = a ? a.extra_bytes : 0;
    const [low, high] = [a ? ns(a) : exactly(0), ns(b)];
    if (!low || !high) return null;
    const share = (x - from) / (b.extra_bytes - from);
    const line = plus(map(low, (y) => y * (1 - share)), map(high, (y) => y * share));
    return { value: Math.max(line.value, 0), low: line.low, high: Math.max(line.high, 0) };
  }

  function processors(figures, f, w, a) {
    let edge = check(figures, f, w);
    if (!edge) return;
    let inside = hop(figures, f, edge, w);
    if (!inside) return;
    const more = ofClaims(figures, f, w);
    const within = more && ofClaims(figures, behind(figures, f), w);
    if (!within) return;
    [edge, inside] = [plus(edge, more), plus(inside, within)];
    const real = (i) => map(i, (x) => Math.max(x, 0));
    const request = plus(real(edge), map(real(inside), (x) => x * w.internal_hops));
    a.cpu_ns = request;
    a.cores = map(request, (x) => (x * w.requests_per_second) / 1e9 / w.utilisation);
    const none = cpuAt(figures.none_by_rate, perNode(w), { error_ns: 0 });
    const floor = (none ? none.value : 0) * (1 + w.internal_hops);
    const rest = w.application_ms * 1e6 + floor;
    a.share_percent = map(request, (x) => (100 * x) / (x + rest));
  }

  function operations(figures, f, w, a) {
    let each = null;
    const store = f.declared.store ?? null;
    if (store === null) {
      each = exactly(0);
    } else if (remembers(f) !== null) {
      const other = fallback(figures, f);
      each = other && other.commands ? map(other.commands, (x) => x * misses(f, w)) : null;
    } else if (store === "redis") {
      each = f.commands ? map(f.commands, (x) => x) : null;
    } else {
      each = exactly(1);
    }
    if (!each) return;
    const hops = hopsVerify(f) !== null ? 0 : w.internal_hops;
    const background = w.nodes * (f.declared.redis_background_per_second ?? 0);
    const logouts = w.revocations_per_second * (f.logout_commands ?? 0);
    a.store_operations =
      plus(map(each, (x) => x * w.requests_per_second * (1 + hops)), exactly(background + logouts));
  }

  function trips(f, w) {
    const store = f.declared.store ?? null;
    const checks = 1 + (hopsVerify(f) !== null ? 0 : w.internal_hops);
    if (store === null || store === "sqlite") return 0;
    if (remembers(f) !== null) return Math.round(misses(f, w) * checks);
    if (store === "redis") return checks * (f.commands ? Math.round(f.commands.value) : 1);
    return checks;
  }

  function latency(figures, f, w, a) {
    const missed = remembers(f) !== null && misses(f, w) > 0.5;
    const usual = missed ? fallback(figures, f) ?? f : f, inner = behind(figures, usual);
    if (!usual.p50_ns || !inner || !inner.p50_ns) return;
    const away = trips(f, w) * w.store_rtt_ms * 1e6;
    const inside = map(inner.p50_ns, (x) => Math.max(x, 0) * w.internal_hops + away);
    a.latency_ns = plus(map(usual.p50_ns, (x) => Math.max(x, 0)), inside);
  }

  function lag(f, w) {
    const d = f.declared, life = w.lifetime_s + w.leeway_s;
    const bound = (d.revoke_within_ns ?? 0) / 1e9;
    let mean, worst;
    if (d.revoke === "immediate") [mean, worst] = [0, 0];
    else if (d.revoke === "at-expiry") [mean, worst] = [w.lifetime_s / 2 + w.leeway_s, life];
    else if (d.lag_law === "uniform") {
      const period = d.lag_period_ns === undefined ? bound : d.lag_period_ns / 1e9;
      mean = (w.period_s * w.nodes) / (w.nodes + 1);
      worst = w.period_s + (bound - period);
    } else [mean, worst] = [(f.lag_max_s ? f.lag_max_s.value : 0) / 2, bound];
    const cut = (d.faults ?? []).find((x) => x.fault === "partition");
    let partition = worst;
    if (cut && cut.outcome === "open-for") partition = worst + (cut.open_for_ns ?? 0) / 1e9;
    if (cut && (cut.outcome === "open" || cut.outcome === "revives")) partition = life;
    return { mean_s: mean, worst_s: worst, partition_s: partition };
  }

  function at(line, claims, column) {
    const p = line.points;
    if (p.length < 2) return p.length ? p[0][column] : 0;
    const found = p.findIndex((point) => point[0] >= claims);
    const upper = Math.max(found < 0 ? p.length - 1 : found, 1);
    const [a, b] = [p[upper - 1], p[upper]];
    return a[column] + ((claims - a[0]) / (b[0] - a[0])) * (b[column] - a[column]);
  }

  function lineOf(figures, f, policy) {
    const kind = f.claims_bytes === null ? "session-id" : "jwt";
    const fits = (l) =>
      l.credential === kind && l.carrier === f.carrier && same(l.policy, policy);
    return figures.wire.find((l) => fits(l) && same(l.algorithm, f.declared.algorithm))
      ?? figures.wire.find(fits);
  }

  const POLICY = { "http1": null, "never-indexed": "never-indexed", "nghttp2": "nghttp2",
    "index-all": "index-all" };

  const LIMIT = { "nghttp2": 3072, "index-all": 4096 };

  function later(line, claims, policy, plainLine) {
    const first = line.points[0];
    if (first[2] * 2 > first[1]) return at(line, claims, 2);
    return plainLine + 32 > LIMIT[policy] ? at(line, claims, 1) : first[2];
  }

  function bytes(figures, f, w) {
    const plain = lineOf(figures, f, null);
    if (f.line_bytes === null || !plain) return null;
    const own = f.claims_bytes, here = own === null ? 0 : w.claims_bytes;
    const more = f.line_bytes - at(plain, own ?? 0, 1);
    const line1 = at(plain, here, 1) + more;
    const policy = POLICY[w.encoder];
    if (policy === null) return line1;
    const line = lineOf(figures, f, policy);
    if (!line) return null;
    const first = at(line, here, 1), n = w.requests_per_connection;
    const rest = later(line, here, policy, line1);
    return (first + more + (n - 1) * (rest < first / 2 ? rest : rest + more)) / n;
  }

  function memory(figures, f, w) {
    const denied = (w.revocations_per_second * w.lifetime_s) / 2;
    const isDenied = (entry) => entry === "deny-list-entry" || entry === "revocation";
    const store = f.declared.store ?? null;
    let entries = f.entry_bytes;
    if (!Object.keys(entries).length && store === "redis") {
      const other = fallback(figures, f);
      if (!other || !Object.keys(other.entry_bytes).length) return null;
      entries = other.entry_bytes;
    }
    const usual = figures.strategies.find((o) => (o.claims_bytes ?? null) !== null);
    const longer = usual ? Math.max(w.claims_bytes - usual.claims_bytes, 0) : 0;
    const more = f.declared.family === "session" ? longer : 0;
    let sum = 0;
    for (const [entry, figure] of Object.entries(entries)) {
      sum += (figure.value + more) * (isDenied(entry) ? denied : w.sessions);
    }
    for (const [entry, figure] of Object.entries(f.node_bytes)) {
      if (figure.value < NODE_BYTES_MIN) continue;
      sum += (figure.value + more) * (isDenied(entry) ? denied * w.nodes : w.sessions);
    }
    return sum;
  }

  const outcome = (d, fault) =>
    ((d.faults ?? []).find((x) => x.fault === fault) ?? { outcome: "unaffected" }).outcome;

  function broken(f, w, a) {
    const d = f.declared, need = w.demands, out = [];
    const over = (value, limit) =>
      limit !== null && limit !== undefined && (value === null || value > limit);
    if (over(a.lag && a.lag.worst_s, need.lag_limit_s)) out.push("lag_limit_s");
    if (over(a.lag && a.lag.partition_s, need.lag_limit_partition_s)) out.push("lag_limit_partition_s");
    if (a.latency_ns && over(a.latency_ns.value / 1e6, need.latency_limit_ms)) out.push("latency_limit_ms");
    const longer = f.claims_bytes === null ? 0 : ((w.claims_bytes - f.claims_bytes) * 4) / 3;
    if (f.credential_bytes !== null && over(f.credential_bytes + longer, need.credential_limit_bytes)) {
      out.push("credential_limit_bytes");
    }
    if (need.end_all && d.revoke_all === "at-expiry") out.push("end_all");
    if (need.list_sessions && !d.counts_logins) out.push("list_sessions");
    const isPublic = d.family.startsWith("token") && d.algorithm && !d.algorithm.startsWith("HS");
    if (need.third_party && !isPublic) out.push("third_party");
    if (need.single_use !== (d.uses === "once")) out.push("single_use");
    const revives = ["store-lost", "store-evicts", "node-restart"].some((x) => outcome(d, x) === "revives");
    if (need.no_revival && revives) out.push("no_revival");
    const down = outcome(d, "store-down");
    if (need.store_down === "closed" && !["closed", "unaffected"].includes(down)) out.push("store_down");
    if (need.store_down === "goes-on" && !["unaffected", "open", "open-for"].includes(down)) out.push("store_down");
    if (need.stores && d.store && !need.stores.includes(d.store)) out.push("stores");
    if ((d.scope === "shared" ? Infinity : 1) < w.nodes) out.push("nodes");
    return out;
  }

  function assess(figures, f, w) {
    const a = { strategy: f.declared.id, family: f.declared.family, cores: null, cpu_ns: null,
      share_percent: null, store_operations: null, request_bytes: null, memory_bytes: memory(figures, f, w),
      latency_ns: null, lag: lag(f, w), monthly: null };
    processors(figures, f, w, a);
    operations(figures, f, w, a);
    latency(figures, f, w, a);
    const each = bytes(figures, f, w);
    a.request_bytes = each === null ? null : each * w.requests_per_second;
    if (a.cores && a.memory_bytes !== null) {
      const p = w.prices;
      const rest = (a.memory_bytes / GIB) * p.memory_gib
        + (((a.request_bytes ?? 0) * MONTH_S) / GIB) * p.traffic_gib;
      a.monthly = map(a.cores, (x) => x * p.core + rest);
    }
    a.broken = broken(f, w, a);
    return a;
  }

  const indifferent = (w) =>
    (((INDIFFERENCE * w.requests_per_second * w.application_ms) / 1e3) / w.utilisation) * w.prices.core;

  function rank(figures, w) {
    const all = figures.strategies.map((f) => assess(figures, f, w));
    const prices = all.filter((a) => !a.broken.length && a.monthly).map((a) => a.monthly.value);
    const near = prices.length ? Math.min(...prices) + indifferent(w) : null;
    const group = (a) => (!a.monthly ? 2 : near !== null && a.monthly.value <= near ? 0 : 1);
    const ms = (a) => (a.latency_ns ? a.latency_ns.value / 1e6 : Infinity);
    const late = (a, key) => (a.lag ? a.lag[key] : Infinity);
    const keys = new Map(all.map((a) => [a, [a.broken.length, group(a),
      group(a) === 1 ? a.monthly.value : 0, late(a, "partition_s"), late(a, "worst_s")]]));
    const slow = all.map((a) => {
      const alike = all.filter((o) => keys.get(a).every((x, i) => x === keys.get(o)[i]));
      return ms(a) <= Math.min(...alike.map(ms)) + INDIFFERENCE_MS ? 0 : ms(a);
    });
    all.forEach((a, i) => keys.get(a).push(slow[i]));
    // Array.prototype.sort is stable: what is equal stays in the order of the registry.
    return all.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)], at = x.findIndex((value, i) => value !== y[i]);
      return at < 0 ? 0 : x[at] < y[at] ? -1 : 1;
    });
  }

  return { rank, indifferent };
})();
