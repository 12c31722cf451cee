// standing — our addresses: state, points, what to do; of one of them the evidence, the providers
// and how it came about

import { $, make, ask, fillTable, percent, clock, known } from './common.js';
import { drawEvents, readOut, style } from './detail.js';

const SPANS = [['24h', '1 day'], ['7d', '7 days'], ['30d', '30 days']];
const HOURS = { '24h': 24, '7d': 168, '30d': 720 };
let span = '24h';
let addresses = [];                     // {egress, fault, ...the address}
let chosen = '';
let chart = null;
let asked = 0;                          // answers of earlier questions are not shown

const keyOf = (a) => `${a.egress}\u0000${a.address ?? ''}`;
const nameOf = (a) => (a.address ? `${a.egress} ${a.address}` : a.egress);
const find = () => addresses.find((a) => keyOf(a) === chosen);
const points = (value) => (known(value) ? value.toFixed(value < 10 && value > 0 ? 1 : 0) : '–');
const time = (at) => (at ? make('time', { datetime: at }, clock(at)) : '');
const isBad = (a) => !['clean', 'probation'].includes(a.state);

// Only what a list gives as an address of the web becomes a link.
const isLink = (link) => /^https?:\/\//.test(link ?? '');
const wayOut = (e) => (isLink(e.link)
  ? make('a', { href: e.link, rel: 'noreferrer noopener', target: '_blank' }, 'removal') : '');

function ends(e) {
  if (!e.standing) return e.gone ? make('span', {}, 'fades by ', time(e.gone)) : '';
  if (e.kind !== 'listed') return 'stands until it is mended';
  const seen = e.clear_checks ? `, gone in ${e.clear_checks} of 3 looks` : '';
  return (e.expires ? 'stands; expires by itself' : 'stands until the list drops it') + seen;
}

function trouble(a) {
  const words = (a.providers ?? []).map((p) => `${p.provider}: ${p.state}`);
  if (a.providers_more) words.push(`and ${a.providers_more} more`);
  return words.join(', ');
}

function opener(a) {
  const button = make('button', { type: 'button', 'aria-expanded': String(keyOf(a) === chosen) },
    a.address ?? '(not known here)');
  button.dataset.address = keyOf(a);
  button.addEventListener('click', () => open(keyOf(a)));
  return button;
}

function drawTable() {
  const focus = document.activeElement?.dataset?.address;
  fillTable($('addresses'), 'Our addresses with their states', [
    { head: 'egress', cell: (a) => a.egress },
    { head: 'address', cell: opener },
    { head: 'state', cell: (a) => a.state, class: (a) => (isBad(a) ? 'bad' : '') },
    { head: 'points', number: true, cell: (a) => points(a.points) },
    { head: 'share', number: true, cell: (a) => percent(a.share) },
    { head: 'since', cell: (a) => time(a.since) },
    { head: 'until', cell: (a) => time(a.until) },
    { head: 'why', cell: (a) => a.reason, class: (a) => (a.reason ? 'text' : '') },
    { head: 'providers', cell: trouble, class: (a) => (trouble(a) ? 'text' : '') },
    { head: 'what to do', cell: (a) => a.todo, class: (a) => (a.todo ? 'text' : '') },
  ], addresses, 'None is known yet.');
  if (focus) [...$('addresses').querySelectorAll('button')]
    .find((b) => b.dataset.address === focus)?.focus();
}

function drawFacts(a) {
  $('address-todo').textContent = a ? [a.state, `${points(a.points)} points`,
    a.does, a.todo ? `To do: ${a.todo}` : ''].filter(Boolean).join(' · ') : 'no longer configured';
  fillTable($('evidence'), 'Evidence against this address', [
    { head: 'evidence', cell: (e) => e.kind },
    { head: 'from', cell: (e) => e.source },
    { head: 'points', number: true, cell: (e) => points(e.points) },
    { head: 'since', cell: (e) => time(e.since) },
    { head: 'ends', cell: ends },
    { head: 'way out', cell: wayOut },
    { head: 'what it says', cell: (e) => e.text, class: () => 'text' },
  ], a?.evidence ?? [], 'Nothing is held against it.');
  fillTable($('providers'), 'Providers whose opinion of it is not clean', [
    { head: 'provider', cell: (p) => p.provider },
    { head: 'state', cell: (p) => p.state, class: (p) => (p.state === 'blocked' ? 'bad' : '') },
    { head: 'since', cell: (p) => time(p.since) },
    { head: 'until', cell: (p) => time(p.until) },
    { head: 'share', number: true, cell: (p) => percent(p.share) },
    { head: 'why', cell: (p) => [p.reason, p.does].filter(Boolean).join('; '), class: () => 'text' },
  ], a?.providers ?? [], 'All are fine with it.');
}

const change = (e) => (e.to ? `${e.from ? `${e.from} → ` : ''}${e.to}` : '');

function drawPast(rows) {
  fillTable($('address-events'), 'What happened to this address, newest first', [
    { head: 'time', cell: (e) => time(e.time) },
    { head: 'what', cell: (e) => e.event.replaceAll('_', ' ') },
    { head: 'with', cell: (e) => e.with },
    { head: 'change', cell: change },
    { head: 'points', number: true, cell: (e) => points(e.points) },
    { head: 'why', cell: (e) => e.reason, class: () => 'text' },
  ], rows, 'Nothing in this time.');
}

// ---- the chart

const stateAt = (rows, x) => rows.filter((r) => Date.parse(r.time) <= x).at(-1)?.to;

// A shade where the address was not clean, lines where its state changed.
function shade(rows, to) {
  const changes = rows.filter((r, i) => i === 0 || r.to !== rows[i - 1].to);
  const lines = drawEvents(changes.slice(1));
  return (canvas, area, g) => {
    canvas.fillStyle = style('--shade');
    changes.forEach((r, i) => {
      if (!isBad({ state: r.to })) return;
      const left = Math.max(area.x, g.toDomXCoord(Date.parse(r.time)));
      const end = i + 1 < changes.length ? Date.parse(changes[i + 1].time) : to;
      const right = Math.min(area.x + area.w, g.toDomXCoord(end));
      if (right > left) canvas.fillRect(left, area.y, right - left, area.h);
    });
    lines(canvas, area, g);
  };
}

function clearChart() {
  chart?.destroy();
  chart = null;
  $('points').replaceChildren();
}

function drawChart(rows, a) {
  const to = Date.now();
  const data = rows.map((r) => [new Date(r.time), r.points]);
  clearChart();
  if (a) data.push([new Date(to), a.points]);
  if (data.length < 2) {
    $('points').append(make('p', { class: 'empty' }, 'No change of its points in this time.'));
    return;
  }
  const title = 'Points of evidence; shaded: not clean; lines: changes of the state';
  const box = make('div', { class: 'chart', role: 'img', 'aria-label': title });
  const output = make('output', {});
  $('points').append(make('figure', {}, make('figcaption', {}, title), box, output));
  const from = Math.max(to - HOURS[span] * 3600e3, Math.min(data[0][0].getTime(), to - 600e3));
  chart = new Dygraph(box, data, { labels: ['time', 'points'], stepPlot: true, includeZero: true,
    dateWindow: [from, to], colors: [style('--accent')], strokeWidth: 2, fillGraph: false,
    axisLineColor: style('--line'), gridLineColor: style('--line'),
    underlayCallback: shade(rows, to),
    highlightCallback: (event, x, at) => {
      readOut(output, at);
      output.textContent += ` · ${stateAt(rows, x) ?? ''}`;
    },
    unhighlightCallback: () => readOut(output, []) });
}

// ---- one address

async function load() {
  const [egress, address] = chosen.split('\u0000');
  const mine = ++asked;
  const [rows, past] = await Promise.all([ask('points', { egress, address, since: span }),
    ask('reputation', { egress, since: span, limit: 200 })]);
  if (mine !== asked) return;
  drawChart(rows, find());
  drawPast(past.filter((r) => r.event && (r.address ?? '') === address));
}

function reload() {
  drawFacts(find());
  load().catch((e) => {
    clearChart();
    $('points').append(make('p', { class: 'empty' }, `${clock(Date.now())}: ${e.message}`));
  });
}

function open(key) {
  chosen = key;
  drawTable();
  $('address').hidden = false;
  $('address-title').textContent = nameOf(find());
  $('address-title').focus();
  reload();
}

function close() {
  const before = chosen;
  if (!before) return;
  chosen = '';
  asked++;
  clearChart();
  $('address').hidden = true;
  drawTable();
  [...$('addresses').querySelectorAll('button')].find((b) => b.dataset.address === before)?.focus();
}

// Rows of egresses, as they come with the events.
export function drawAddresses(rows) {
  addresses = rows.flatMap((e) => (e.standing ?? []).map((a) => ({ egress: e.egress, ...a })));
  drawTable();
  if (chosen) drawFacts(find());
}

// Something happened to an address.
export function addEvent(e) {
  if (chosen && `${e.egress}\u0000${e.address ?? ''}` === chosen) reload();
}

export function start() {
  for (const [name, text] of SPANS) {
    const button = make('button', { type: 'button', 'aria-pressed': String(name === span) }, text);
    button.addEventListener('click', () => {
      span = name;
      [...$('address-spans').children].forEach((b) =>
        b.setAttribute('aria-pressed', String(b === button)));
      reload();
    });
    $('address-spans').append(button);
  }
  $('address-close').addEventListener('click', close);
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape') close(); });
  setInterval(() => { if (chosen && !document.hidden) reload(); }, 60000);
}
