'use strict';
// Requests JSON from this page's own address, again and again while the page is visible, and shows it. All data is
// inserted as text, never as markup.
(() => {
  const POLL = 2000; // milliseconds
  const KEPT = 150; // values kept per line: five minutes
  const ROWS = 200; // rows that a list shows initially, and adds with each "Show more"
  const SVG = 'http://www.w3.org/2000/svg';

  const state = { scopes: new Map(), query: [], paused: false, timer: 0, failed: null, time: 0 };
  const at = (id) => document.getElementById(id);

  // --- Elements ---

  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    node.append(...children); // strings become text nodes
    return node;
  }

  function draw(tag, attributes, ...children) {
    const node = document.createElementNS(SVG, tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    node.append(...children);
    return node;
  }

  function say(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  function put(node, name, value) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }

  // --- Numbers ---

  const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 4 });

  // JSON cannot represent these numbers; they arrive as strings.
  function number(value) {
    if (typeof value === 'number') return value;
    return { '+Inf': Infinity, '-Inf': -Infinity }[value] ?? NaN;
  }

  function plain(value) {
    if (Number.isNaN(value)) return 'NaN';
    if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
    const size = Math.abs(value);
    if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(2);
    if (size >= 1e7) return compact.format(value);
    return Number.isInteger(value) || size >= 1e4 ? whole.format(value) : short.format(value);
  }

  const SECONDS = { __proto__: null, s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9, min: 60, h: 3600, d: 86400 };
  const BYTES = { __proto__: null, By: 1, KiBy: 1024, MiBy: 1048576, GiBy: 1073741824, kBy: 1e3, MBy: 1e6 };

  // Smallest value for which a unit is used, its name, and its size if that differs from the smallest value.
  const TIMES = [[172800, 'd', 86400], [7200, 'h', 3600], [120, 'min', 60], [1, 's'], [1e-3, 'ms'], [1e-6, 'µs'], [0, 'ns', 1e-9]];
  const SIZES = [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [1024, 'KiB'], [0, 'B', 1]];

  function scaled(value, units) {
    const [least, name, size] = units.find(([least]) => Math.abs(value) >= least);
    return `${plain(Number((value / (size ?? least)).toPrecision(3)))} ${name}`;
  }

  function text(value, unit) {
    if (!Number.isFinite(value) || value === 0) return plain(value);
    if (unit in SECONDS) {
      const seconds = value * SECONDS[unit];
      if (Math.abs(seconds) > 1e9) return new Date(seconds * 1000).toLocaleString();
      return scaled(seconds, TIMES);
    }
    if (unit in BYTES) return scaled(value * BYTES[unit], SIZES);
    return unit === '%' ? `${plain(value)} %` : plain(value);
  }

  function rateText(rate, unit) {
    if (rate === null) return '';
    return unit in SECONDS && rate !== 0 ? `${plain(rate * SECONDS[unit])} s/s` : `${text(rate, unit)}/s`;
  }

  // `{request}` is an annotation that names what is counted; `1` means no unit.
  const unitText = (unit) => unit === '1' ? '' : unit.replace(/[{}]/g, '');

  function ago(time) {
    const seconds = Math.max(0, Math.round(state.time - Date.parse(time) / 1000));
    if (seconds < 120) return `${seconds} s ago`;
    return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
  }

  // --- Histories and distributions ---

  function remember(history, value) {
    history.push([state.time, value]);
    if (history.length > KEPT) history.shift();
  }

  // Increase of a total per second. A total that decreased was reset, so its rate is unknown.
  function rates(history) {
    const all = [];
    for (let i = 1; i < history.length; i++) {
      const [[before, low], [now, high]] = [history[i - 1], history[i]];
      if (now > before) all.push([now, high >= low ? (high - low) / (now - before) : null]);
    }
    return all;
  }

  // Averaged over up to ten seconds, because the rate over a single interval fluctuates.
  function rate(history) {
    if (history.length < 2) return null;
    const [now, high] = history[history.length - 1];
    const first = history.find(([time]) => time >= now - 10.5);
    return first && now > first[0] && high >= first[1] ? (high - first[1]) / (now - first[0]) : null;
  }

  function merged(all) {
    const sums = new Map();
    const total = { count: 0, sum: 0, min: Infinity, max: -Infinity };
    for (const series of all) {
      total.count += series.count;
      total.sum += number(series.sum);
      if (series.min !== null) total.min = Math.min(total.min, number(series.min));
      if (series.max !== null) total.max = Math.max(total.max, number(series.max));
      for (const [from, to, count] of series.buckets ?? []) {
        const key = `${from} ${to}`;
        const known = sums.get(key);
        if (known) known[2] += count;
        else sums.set(key, [from ?? -Infinity, to ?? Infinity, count]);
      }
    }
    total.buckets = [...sums.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    return total;
  }

  // Interpolates linearly within the bucket, as Prometheus does, but clamps to the recorded minimum and maximum.
  function quantile(part, of) {
    let left = part * of.buckets.reduce((sum, bucket) => sum + bucket[2], 0);
    for (const [from, to, count] of of.buckets) {
      if (left <= count) {
        const low = Math.max(from, of.min === Infinity ? -Infinity : of.min);
        const high = Math.min(to, of.max === -Infinity ? Infinity : of.max);
        if (!Number.isFinite(low) || !Number.isFinite(high)) return Number.isFinite(low) ? low : high;
        return low + (high - low) * (left / count);
      }
      left -= count;
    }
    return NaN;
  }

  // --- Received data ---

  const labelsOf = (series) => series.key ??= JSON.stringify(series.labels);
  const isSummed = (data) => data.type === 'sum' && data.is_monotonic;
  const isDistribution = (data) => 'count' in (data.series[0] ?? {});
  const valueOf = (data, series) => isDistribution(data) ? series.count : number(series.value);

  function take(json) {
    state.time = json.time;
    const known = new Set();
    for (const scope of json.scopes) {
      const key = JSON.stringify([scope.name, scope.version, scope.schema_url, scope.attributes]);
      known.add(key);
      let kept = state.scopes.get(key);
      if (!kept) state.scopes.set(key, kept = { metrics: new Map(), shown: ROWS, order: null });
      kept.scope = scope;
      const names = new Set();
      for (const data of scope.metrics) {
        const name = `${data.name} ${data.kind} ${data.unit}`;
        names.add(name);
        let metric = kept.metrics.get(name);
        if (!metric) {
          metric = { name, scope, history: [], series: new Map(), shown: ROWS, sort: null };
          kept.metrics.set(name, metric);
        }
        metric.data = data;
        metric.short = data.name.startsWith(scope.name + '.') ? data.name.slice(scope.name.length + 1) : data.name;
        summarize(metric);
        follow(metric);
      }
      for (const name of kept.metrics.keys()) if (!names.has(name)) kept.metrics.delete(name);
    }
    for (const [key, kept] of state.scopes) {
      if (known.has(key)) continue;
      kept.section?.remove();
      state.scopes.delete(key);
    }
    showProcess(json);
    showWarnings(json.health);
    showTargets(json.health.targets);
    showMetrics();
  }

  // Computes the number that represents all series of an instrument.
  function summarize(metric) {
    const { data, history } = metric;
    const { unit, series } = data;
    const many = series.length > 1 ? `${whole.format(series.length)} series` : '';
    const values = series.map((it) => valueOf(data, it));
    if (data.type === 'gauge') {
      const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
      remember(history, high);
      metric.main = series.length > 1 && low !== high ? `${text(low, unit)} – ${text(high, unit)}` : text(values[0], unit);
      metric.sub = many;
      metric.line = () => history;
      return;
    }
    const total = values.reduce((sum, value) => sum + value, 0);
    remember(history, total);
    const now = rate(history);
    if (isDistribution(data)) {
      const all = data.type === 'summary' ? null : merged(series);
      metric.main = !all ? plain(total) : all.count ? text(quantile(.95, all), unit) : '–';
      metric.sub = [all && all.count ? 'p95' : '', now === null ? '' : rateText(now, ''), `${plain(total)} recorded`].filter(Boolean).join(' · ');
      metric.line = () => rates(history);
    } else if (isSummed(data)) {
      metric.main = now === null ? text(total, unit) : rateText(now, unit);
      metric.sub = [now === null ? '' : `${text(total, unit)} in total`, many].filter(Boolean).join(' · ');
      metric.line = () => rates(history);
    } else {
      metric.main = text(total, unit);
      metric.sub = many;
      metric.line = () => history;
    }
  }

  // Keeps the history of single series: for instruments with few series, and for instruments that are open.
  function follow(metric) {
    const { data, series } = metric;
    if (data.series.length > ROWS && !metric.node?.open) return;
    const known = new Set();
    for (const one of data.series) {
      const key = labelsOf(one);
      known.add(key);
      if (!series.has(key)) series.set(key, []);
      remember(series.get(key), valueOf(data, one));
    }
    for (const key of series.keys()) if (!known.has(key)) series.delete(key);
  }

  // --- Search ---

  function glob(pattern) {
    return pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&')).join('.*');
  }

  function parse(query) {
    return query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
      const [key, value] = word.includes('=') ? word.split(/=(.*)/s) : [null, null];
      const pattern = word.includes('*') ? new RegExp(`(^|\\.)${glob(word)}$`) : null;
      const values = value?.includes('*') ? new RegExp(`^${glob(value)}$`) : null;
      return {
        ofMetric: (metric) => {
          if (key !== null) return false;
          const { name, kind, unit, description } = metric.data;
          const names = [metric.scope.name, name, metric.short].map((it) => it.toLowerCase());
          if (pattern) return names.some((it) => pattern.test(it));
          return [...names, kind, unit.toLowerCase(), description.toLowerCase()].some((it) => it.includes(word));
        },
        ofSeries: (series) => Object.entries(series.labels).some(([name, text]) => {
          name = name.toLowerCase();
          text = text.toLowerCase();
          if (key === null) return pattern ? pattern.test(text) : name.includes(word) || text.includes(word);
          return name.includes(key) && (values ? values.test(text) : text.includes(value));
        }),
      };
    });
  }

  // Returns the series that match the search; an empty list if the instrument does not match.
  function found(metric) {
    const rest = state.query.filter((word) => !word.ofMetric(metric));
    if (!rest.length) return metric.data.series;
    return metric.data.series.filter((series) => rest.every((word) => word.ofSeries(series)));
  }

  // --- Parts of the page ---

  function showProcess(json) {
    const resource = json.resource;
    const name = resource['service.name'] ?? 'Metrics';
    say(at('service'), name);
    const title = `${name} metrics`;
    if (document.title !== title) document.title = title;
    const about = ['service.version', 'deployment.environment.name', 'service.instance.id', 'host.name'];
    say(at('about'), about.map((key) => resource[key]).filter(Boolean).join(' · '));
    const pairs = Object.entries(resource);
    const list = at('resource');
    if (list.childElementCount === 2 * pairs.length) return;
    list.replaceChildren(...pairs.flatMap(([key, value]) => [make('dt', {}, key), make('dd', {}, value)]));
  }

  function named(names) {
    const first = names.slice(0, 5).join(', ');
    return names.length > 5 ? `${first} and ${names.length - 5} more` : first;
  }

  function showWarnings(health) {
    const all = [];
    if (state.failed) all.push(['bad', 'No answer', state.failed]);
    for (const target of health?.targets ?? []) {
      if (!target.is_failing) continue;
      const times = target.consecutive_failures > 1 ? ` (${target.consecutive_failures} times in a row)` : '';
      const reason = target.consecutive_failures > 0 ? target.last_error?.text : target.problem;
      all.push(['bad', 'Not delivered', `${target.component}: ${reason ?? target.problem}${times}`]);
    }
    const store = health?.store ?? {};
    const add = (level, title, names, words) => names?.length && all.push([level, title, `${named(names)}: ${words}`]);
    add('bad', 'Too many series', store.overflowing, 'the cardinality limit is reached; new label combinations are counted in one common series.');
    add('warn', 'Many series', store.near_limit, 'at least 90% of the cardinality limit is used.');
    add('warn', 'Slow callback', store.callbacks_in_background, 'the callback is still running; its last values are shown until it finishes.');
    add('warn', 'Name clash', store.name_meetings, 'an older instrument has the same Prometheus name, so Prometheus does not receive this one.');
    if (store.dropped_values) all.push(['warn', 'Dropped values', `${whole.format(store.dropped_values)} values could not be recorded since the start, for example because they were negative or NaN.`]);
    for (const setting of health?.settings ?? []) all.push(['warn', 'Setting', setting]);
    const area = at('warnings');
    const key = JSON.stringify(all);
    // Change the area only if its content changed: a screen reader announces every change.
    if (area.dataset.key === key) return;
    area.dataset.key = key;
    area.replaceChildren(...all.map(([level, title, words]) => make('p', { class: level }, make('b', {}, title), words)));
  }

  function showTargets(targets) {
    const rows = targets.map((target) => {
      const last = target.last_error;
      const waits = target.queue;
      const queue = waits ? `${whole.format(waits.requests)} waiting` : '–';
      const level = target.is_failing ? 'bad' : target.last_success ? 'good' : '';
      const word = target.is_failing ? 'failing' : target.last_success ? 'working' : target.kind === 'push' ? 'not sent yet' : 'not scraped yet';
      const cell = (title, attributes, ...children) => make('td', { 'data-title': title, ...attributes }, ...children);
      return make('tr', {},
        make('th', { scope: 'row' }, target.component),
        cell('State', {}, make('span', { class: `dot ${level}`, 'aria-hidden': 'true' }), word, make('small', {}, target.endpoint)),
        cell('Last success', {}, target.last_success ? ago(target.last_success) : '–'),
        cell('Points', { class: 'number' }, plain(target.exported_points), make('small', {}, target.rejected_points ? `${plain(target.rejected_points)} rejected` : '')),
        cell('Queue', { class: 'number' }, queue, make('small', {}, waits?.requests ? text(waits.bytes, 'By') : '')),
        cell('Last error', {}, last ? last.text : '–', make('small', {}, last ? ago(last.time) : '')));
    });
    if (!rows.length) rows.push(make('tr', {}, make('td', { colspan: '6', class: 'soft' }, 'No target is configured.')));
    at('targets').tBodies[0].replaceChildren(...rows);
  }

  function showMetrics() {
    let [metrics, series] = [0, 0];
    const sections = [];
    const order = [...state.scopes.values()].sort((a, b) => isOwn(a) - isOwn(b));
    for (const kept of order) {
      const all = [];
      for (const metric of kept.metrics.values()) {
        metric.found = found(metric);
        if (!metric.found.length) continue;
        all.push(metric);
        series += metric.found.length;
      }
      metrics += all.length;
      if (all.length) sections.push(showScope(kept, all));
    }
    const area = at('scopes');
    if (sections.length !== area.childElementCount || sections.some((it, i) => area.children[i] !== it)) {
      area.replaceChildren(...sections);
    }
    const plural = (count, word) => `${whole.format(count)} ${word}${count === 1 || word === 'series' ? '' : 's'}`;
    say(at('found'), metrics ? `${plural(metrics, 'instrument')}, ${plural(series, 'series')}` : 'No metrics found.');
  }

  // Sorts the library's own metrics last.
  const isOwn = (kept) => Number(kept.scope.name === 'meterkit');

  function showScope(kept, all) {
    if (!kept.section) {
      kept.list = make('div', { class: 'card' });
      kept.about = make('span', { class: 'soft' });
      const title = make('h3', {}, kept.scope.name || 'No scope');
      kept.section = make('section', { class: 'scope' }, make('header', {}, title, kept.about), kept.list);
    }
    const attributes = Object.entries(kept.scope.attributes).map(([key, value]) => `${key}=${value}`);
    say(kept.about, [kept.scope.version, ...attributes].filter(Boolean).join(' · '));
    const rows = all.slice(0, kept.shown);
    for (const metric of rows) showRow(metric);
    const nodes = rows.map((metric) => metric.node);
    if (all.length > rows.length) nodes.push(more(kept, all.length - rows.length));
    else kept.more = null;
    if (nodes.length !== kept.list.childElementCount || nodes.some((it, i) => kept.list.children[i] !== it)) {
      kept.list.replaceChildren(...nodes);
    }
    return kept.section;
  }

  // Returns a button that makes `list` show more rows.
  function more(list, left) {
    if (!list.more) {
      list.more = make('button', { type: 'button', class: 'more' });
      list.more.addEventListener('click', () => {
        list.shown += ROWS;
        showMetrics();
      });
    }
    say(list.more, `Show ${Math.min(left, ROWS)} of ${whole.format(left)} more`);
    return list.more;
  }

  function showRow(metric) {
    const { data } = metric;
    if (!metric.node) {
      metric.main_ = document.createTextNode('');
      metric.sub_ = make('small', {});
      metric.spark = spark();
      const name = make('span', {}, make('span', { class: 'name' }, metric.short),
        make('span', { class: 'kind' }, [data.kind, unitText(data.unit)].filter(Boolean).join(' · ')));
      if (data.description) name.append(make('span', { class: 'about' }, data.description));
      const summary = make('summary', {}, name, make('span', { class: 'value' }, metric.main_, metric.sub_),
        make('span', { class: 'spark' }, metric.spark));
      metric.node = make('details', { class: 'metric' }, summary);
      metric.node.addEventListener('toggle', () => metric.node.open ? openRow(metric) : closeRow(metric));
    }
    if (metric.main_.data !== metric.main) metric.main_.data = metric.main;
    say(metric.sub_, metric.sub);
    drawLine(metric.spark, metric.line(), data.type === 'gauge');
    if (metric.node.open) showDetail(metric);
  }

  function openRow(metric) {
    metric.shown = ROWS;
    if (!metric.series.size) follow(metric);
    showDetail(metric);
  }

  // Removes the detail view, so that only open instruments have tables.
  function closeRow(metric) {
    metric.detail?.remove();
    metric.detail = metric.table = metric.chart = metric.more = null;
  }

  // --- An open instrument ---

  function columns(metric) {
    const { data } = metric;
    const { unit } = data;
    const keys = new Set();
    for (const series of metric.found) for (const key in series.labels) keys.add(key);
    const labels = [...keys].map((key) => ({ title: key, isLabel: true, of: (it) => it.labels[key] ?? '', text: (v) => v }));
    const history = (it) => metric.series.get(labelsOf(it)) ?? [];
    const column = (title, of, show) => ({ title, of, text: show });
    const perSecond = (u) => column('per second', (it) => rate(history(it)) ?? NaN, (v) => Number.isNaN(v) ? '–' : rateText(v, u));
    const values = [];
    if (isDistribution(data)) {
      values.push(column('count', (it) => it.count, plain), perSecond(''));
      values.push(column('mean', (it) => number(it.sum) / it.count, (v) => Number.isNaN(v) ? '–' : text(v, unit)));
      const parts = data.type === 'summary'
        ? [...new Set(data.series.flatMap((it) => it.quantiles.map(([part]) => part)))]
        : [.5, .95, .99];
      for (const part of parts) {
        const of = (it) => it.quantiles
          ? number((it.quantiles.find(([known]) => known === part) ?? [0, NaN])[1])
          : quantile(part, it.merged ??= merged([it]));
        values.push(column(`p${Number((part * 100).toFixed(3))}`, of, (v) => Number.isNaN(v) ? '–' : text(v, unit)));
      }
    } else {
      values.push(column('value', (it) => number(it.value), (v) => text(v, unit)));
      if (isSummed(data)) values.push(perSecond(unit));
    }
    return { labels, values, history };
  }

  function showDetail(metric) {
    const { data } = metric;
    if (!metric.detail) {
      const full = make('p', { class: 'soft' }, make('code', {}, data.name));
      metric.detail = make('div', { class: 'detail' }, full);
      metric.node.append(metric.detail);
    }
    if (isDistribution(data) && data.type !== 'summary') showChart(metric);
    const { labels, values, history } = columns(metric);
    const all = [...labels, ...values];
    const key = JSON.stringify(all.map((it) => it.title));
    if (metric.table?.dataset.key !== key) buildTable(metric, all, key);
    const rows = sorted(metric, all).slice(0, metric.shown);
    const body = metric.table.tBodies[0];
    while (body.rows.length > rows.length) body.deleteRow(-1);
    while (body.rows.length < rows.length) {
      const row = make('tr', {});
      for (const column of all) row.append(make('td', column.isLabel ? {} : { class: 'number' }));
      row.append(make('td', {}, spark()));
      body.append(row);
    }
    rows.forEach((series, i) => {
      const cells = body.rows[i].cells;
      all.forEach((column, j) => {
        const value = column.of(series);
        say(cells[j], column.text(value));
        if (!column.isLabel) put(cells[j], 'title', String(value));
      });
      const past = history(series);
      const isLevel = data.type === 'gauge' || (data.type === 'sum' && !data.is_monotonic);
      drawLine(cells[all.length].firstChild, isLevel ? past : rates(past), data.type === 'gauge');
    });
    const left = metric.found.length - rows.length;
    if (left > 0) metric.detail.append(more(metric, left));
    else metric.more?.remove();
  }

  function buildTable(metric, all, key) {
    const heads = all.map((column) => {
      const button = make('button', { type: 'button' }, column.title);
      const head = make('th', column.isLabel ? { scope: 'col' } : { scope: 'col', class: 'number' }, button);
      button.addEventListener('click', () => {
        const before = metric.sort;
        // The first click sorts text columns in ascending order and number columns in descending order.
        const isDown = before?.title === column.title ? !before.isDown : !column.isLabel;
        metric.sort = { title: column.title, isDown };
        for (const other of head.parentNode.cells) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', isDown ? 'descending' : 'ascending');
        showDetail(metric);
      });
      if (metric.sort?.title === column.title) head.setAttribute('aria-sort', metric.sort.isDown ? 'descending' : 'ascending');
      return head;
    });
    heads.push(make('th', { scope: 'col' }, make('span', { class: 'hidden' }, 'last five minutes')));
    const caption = make('caption', { class: 'hidden' }, `Series of ${metric.data.name}`);
    const table = make('table', {}, caption, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}));
    table.dataset.key = key;
    const area = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Series of ${metric.data.name}` }, table);
    if (metric.table) metric.table.parentNode.replaceWith(area);
    else metric.detail.append(area);
    metric.table = table;
  }

  function sorted(metric, all) {
    const column = all.find((it) => it.title === metric.sort?.title);
    if (!column) return metric.found;
    const turn = metric.sort.isDown ? -1 : 1;
    const compare = (a, b) => column.isLabel
      ? a.localeCompare(b, 'en', { numeric: true })
      : (Number.isNaN(a) ? -Infinity : a) - (Number.isNaN(b) ? -Infinity : b) || 0;
    const keyed = metric.found.map((series) => [column.of(series), series]);
    return keyed.sort((a, b) => turn * compare(a[0], b[0])).map(([, series]) => series);
  }

  // --- Drawings ---

  function spark() {
    return draw('svg', { viewBox: '0 0 132 30', width: '132', height: '30', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      draw('path', { class: 'area' }), draw('path', { class: 'line' }));
  }

  // The line of a gauge uses the full height; all other lines start at zero.
  function drawLine(svg, points, isFree) {
    const [area, line] = svg.children;
    const values = points.map(([, value]) => value).filter((value) => Number.isFinite(value));
    let path = '';
    let fill = '';
    if (values.length > 1) {
      const start = points[0][0];
      const time = points[points.length - 1][0] - start;
      let low = Math.min(...values);
      let high = Math.max(...values);
      if (!isFree) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
      if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low), high + Math.abs(high)];
      let isDown = false;
      let first = 0;
      for (const [when, value] of points) {
        if (!Number.isFinite(value)) {
          isDown = false;
          continue;
        }
        const x = ((when - start) / time * 132).toFixed(1);
        const y = (28 - (value - low) / (high - low) * 26).toFixed(1);
        if (!isDown) first = x;
        path += `${isDown ? 'L' : 'M'}${x} ${y}`;
        isDown = true;
      }
      const last = path.match(/[ML]([\d.]+) [\d.]+$/);
      if (last && path.indexOf('M', 1) < 0) fill = `${path}L${last[1]} 29L${first} 29Z`;
    }
    put(line, 'd', path);
    put(area, 'd', fill);
  }

  function bars(of) {
    let all = [];
    for (const bucket of of.buckets) {
      const before = all[all.length - 1];
      // Add the empty buckets, which the data leaves out.
      if (before && before[1] < bucket[0]) all.push([before[1], bucket[0], 0]);
      all.push(bucket);
    }
    while (all.length > 48) {
      const pairs = [];
      for (let i = 0; i < all.length; i += 2) {
        const [a, b] = [all[i], all[i + 1] ?? all[i]];
        pairs.push(a === b ? a : [a[0], b[1], a[2] + b[2]]);
      }
      all = pairs;
    }
    return all;
  }

  function showChart(metric) {
    const { unit } = metric.data;
    const of = merged(metric.found);
    const key = JSON.stringify([of, metric.detail.clientWidth]);
    if (metric.chart?.dataset.key === key) return;
    // Use the available width without scaling, so that text keeps its size.
    const width = Math.max(240, (metric.detail.clientWidth || 760) - 78);
    const [height, top] = [120, 18];
    const all = bars(of);
    const most = Math.max(1, ...all.map((bucket) => bucket[2]));
    const step = width / Math.max(1, all.length);
    const parts = [.5, .95, .99].map((part) => [`p${part * 100}`, quantile(part, of)]);
    const words = parts.filter(([, value]) => !Number.isNaN(value)).map(([name, value]) => `${name} ${text(value, unit)}`);
    const svg = draw('svg', {
      viewBox: `0 0 ${width} ${height + top + 22}`, role: 'img',
      'aria-label': `Distribution of ${plain(of.count)} values: ${words.join(', ')}`,
    });
    const y = (count) => top + height - count / most * height;
    all.forEach(([from, to, count], i) => {
      const bar = draw('rect', { class: 'bar', x: i * step + 1, width: Math.max(1, step - 2), y: y(count), height: count / most * height, rx: 2 });
      bar.append(draw('title', {}, `${text(from, unit)} to ${text(to, unit)}: ${plain(count)}`));
      svg.append(bar);
      const every = Math.ceil(70 / step);
      if (i > 0 && i % every === 0) svg.append(draw('text', { x: i * step, y: top + height + 16 }, text(from, unit)));
    });
    svg.append(draw('path', { class: 'base', d: `M0 ${top + height}H${width}` }));
    let last = -100;
    for (const [name, value] of parts) {
      const i = all.findIndex(([from, to]) => value > from && value <= to || value === from && from === to);
      if (i < 0) continue;
      const [from, to] = [Math.max(all[i][0], of.min), Math.min(all[i][1], of.max)];
      const x = (i + (to > from ? Math.min(1, Math.max(0, (value - from) / (to - from))) : .5)) * step;
      svg.append(draw('path', { class: 'mark', d: `M${x} ${top}V${top + height}` }));
      if (x - last > 30) svg.append(draw('text', { class: 'at', x: Math.min(width - 14, Math.max(14, x)), y: 11 }, name));
      last = x;
    }
    const fact = (name, value) => make('span', {}, `${name} `, make('b', {}, value));
    const caption = make('figcaption', {}, fact('values', plain(of.count)),
      ...parts.map(([name, value]) => fact(name, Number.isNaN(value) ? '–' : text(value, unit))),
      ...(of.count ? [fact('mean', text(of.sum / of.count, unit))] : []),
      ...(of.max > -Infinity ? [fact('largest', text(of.max, unit))] : []));
    const chart = make('figure', {}, caption, svg);
    chart.dataset.key = key;
    if (metric.chart) metric.chart.replaceWith(chart);
    else metric.detail.append(chart);
    metric.chart = chart;
  }

  // --- Requests ---

  async function ask() {
    const began = performance.now();
    try {
      const answer = await fetch(location.href.split('#')[0], {
        headers: { Accept: 'application/json' }, cache: 'no-store', credentials: 'same-origin', signal: AbortSignal.timeout(15000),
      });
      if (!answer.ok) throw new Error(`the service answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
      const json = await answer.json();
      if (json.version !== 1) throw new Error('the service uses another version of the data format: reload this page');
      state.failed = null;
      take(json);
      say(at('state'), `Live, ${new Date(json.time * 1000).toLocaleTimeString()}`);
    } catch (error) {
      state.failed = `${error instanceof TypeError ? 'the service cannot be reached' : error.message}. The values below are outdated.`;
      showWarnings(null);
      say(at('state'), 'Disconnected');
    }
    document.body.classList.toggle('stale', state.failed !== null);
    at('dot').className = `dot ${state.failed ? 'bad' : 'good'}`;
    // Spend at most about a tenth of the time on requests, which take long if there are many series.
    return Math.max(POLL, 10 * (performance.now() - began));
  }

  // Sends one request at a time, and none while the page is hidden or paused.
  async function poll() {
    clearTimeout(state.timer);
    if (state.isAsking || state.paused || document.hidden) return;
    state.isAsking = true;
    const wait = await ask();
    state.isAsking = false;
    if (!state.paused) state.timer = setTimeout(poll, wait);
  }

  let typing = 0;
  at('search').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      state.query = parse(at('search').value);
      showMetrics();
    }, 80);
  });
  at('pause').addEventListener('click', () => {
    state.paused = !state.paused;
    at('pause').setAttribute('aria-pressed', String(state.paused));
    say(at('state'), state.paused ? 'Paused' : 'Loading');
    at('dot').className = 'dot';
    poll();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== at('search')) {
      event.preventDefault();
      at('search').focus();
    }
  });
  document.addEventListener('visibilitychange', poll);
  poll();
})();
