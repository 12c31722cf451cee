// detail — the history of one path: latency band, loss, goodput, with the switches of its group and
// the listings of its egress

import { $, make, ask, ms, percent, rate, known, clock } from './common.js';
import { choose, pathOf } from './heat.js';
import { fillEvents, newestFirst } from './tables.js';

const SPANS = [['1h', '1 hour'], ['6h', '6 hours'], ['24h', '1 day'], ['7d', '7 days'],
  ['30d', '30 days']];
// As the history calls the way to a relay; what is behind it nobody here can measure.
const LEG = { carrier: '(relay)', region: '(first leg)' };
let key = '';
let span = '6h';
const EVENTS = 500;
let charts = [];
let asked = 0;                          // answers of earlier questions are not shown

const value = (v, scale = 1) => (known(v) ? v * scale : null);
const point = (v) => [v, v, v];

// Each: title, unit, labels, and what a row gives: [low, middle, high] a series.
const CHARTS = [
  { title: 'Time to connect: half are faster than the line, 95 % within the band (ms)',
    labels: ['connect', 'round trip'],
    row: (r) => [[value(r.connect_p50_ms), value(r.connect_p50_ms), value(r.connect_p95_ms)],
      point(value(r.rtt_ms))] },
  { title: 'Predicted time of a small mail (ms)', labels: ['predicted'],
    row: (r) => [point(value(r.cost_ms))] },
  { title: 'Loss (%)', labels: ['loss'], row: (r) => [point(value(r.loss, 100))] },
  { title: 'Goodput of bulk transfers (Mbit/s)', labels: ['goodput'],
    row: (r) => [point(value(r.goodput_bytes_s, 8e-6))] },
];

// Its legend writes style attributes, which the page's policy forbids: readOut() stands for it.
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

const number = (v) => (v >= 100 ? v.toFixed(0) : v.toFixed(v < 1 ? 2 : 1));

export function readOut(output, points) {
  const texts = points.filter((p) => known(p.yval) && !Number.isNaN(p.yval))
    .map((p) => `${p.name} ${number(p.yval)}`);
  output.textContent = points.length ? [clock(points[0].xval), ...texts].join(' · ') : '';
}

export const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function drawEvents(events, colour = '--warn', dash = [4, 3]) {
  return (canvas, area, g) => {
    canvas.strokeStyle = style(colour);
    canvas.setLineDash(dash);
    for (const e of events) {
      const x = g.toDomXCoord(Date.parse(e.time));
      if (x < area.x || x > area.x + area.w) continue;
      canvas.beginPath();
      canvas.moveTo(x, area.y);
      canvas.lineTo(x, area.y + area.h);
      canvas.stroke();
    }
    canvas.setLineDash([]);
  };
}

function frame(chart) {
  const box = make('div', { class: 'chart', role: 'img', 'aria-label': chart.title });
  const output = make('output', {});
  const keys = chart.labels.length < 2 ? [] : chart.labels.map((label, i) =>
    make('span', { class: `key key${i}` }, label));
  $('charts').append(make('figure', {}, make('figcaption', {}, chart.title, ...keys), box, output));
  return { chart, box, output };
}

function drawChart({ chart, box, output }, rows, marks, from, to) {
  const data = rows.map((r) => [new Date(r.time), ...chart.row(r)]);
  return new Dygraph(box, data, {
    labels: ['time', ...chart.labels], customBars: true, dateWindow: [from, to],
    colors: [style('--accent'), style('--warn')], strokeWidth: 2, includeZero: true,
    drawPoints: rows.length < 90, pointSize: 2, connectSeparatedPoints: false,
    axisLineColor: style('--line'), gridLineColor: style('--line'), underlayCallback: (...on) => marks.forEach((mark) => mark(...on)),
    highlightCallback: (event, x, points) => readOut(output, points),
    unhighlightCallback: () => readOut(output, []),
    zoomCallback: (min, max) => charts.forEach((g) => g.updateOptions({ dateWindow: [min, max] })),
  });
}

function showFacts(p) {
  const facts = p ? [p.state, `predicted ${ms(p.cost_ms)}`, `round trip ${ms(p.rtt_ms)}`,
    `loss ${percent(p.loss)}`, `goodput ${rate(p.goodput_bytes_s)}`,
    p.preferred ? 'preferred for small mail' : '', p.preferred_large ? 'and for large mail' : '',
    p.at ? `figures of ${clock(p.at)}` : 'never measured',
    p.measured ? `measured ${p.measured}` : ''] : [];
  $('facts').textContent = facts.filter(Boolean).join(' · ');
}

function clearCharts() {
  charts.forEach((g) => g.destroy());
  charts = [];
  $('charts').replaceChildren();
}

const spanMs = () => parseInt(span, 10) * (span.endsWith('d') ? 86400e3 : 3600e3);

// Where the charts begin: not long before the first figure, when there are few yet.
const since = (first, to) => Math.max(to - spanMs(), Math.min(first - 60e3, to - 600e3));

async function load() {
  const [egress, carrier, region] = key.split('\u0000');
  const mine = ++asked;
  const place = pathOf(key)?.measured ? LEG : { carrier, region };
  const [rows, events, notes] = await Promise.all([
    ask('series', { egress, ...place, since: span }),
    ask('switches', { carrier, region, since: span, limit: EVENTS }),
    ask('reputation', { egress, since: span, limit: EVENTS })]);
  if (mine !== asked) return;
  const listings = notes.filter((n) => n.event === 'listing');
  const marks = [drawEvents(events), drawEvents(listings, '--fore', [1, 3])];
  const to = Date.now();
  const from = rows.length ? since(Date.parse(rows[0].time), to) : 0;
  clearCharts();
  if (rows.length) {
    const frames = CHARTS.map(frame); // all of them first: how wide one is depends on the others
    charts = frames.map((f) => drawChart(f, rows, marks, from, to));
  } else {
    $('charts').append(make('p', { class: 'empty' }, 'Nothing was measured in this time.'));
  }
  fillEvents($('detail-events'), [...events, ...listings].sort(newestFirst),
    'Neither a switch nor a fault nor a listing in this time.');
}

function reload() {
  showFacts(pathOf(key));
  load().catch((e) => {
    clearCharts();
    $('charts').append(make('p', { class: 'empty' }, `${clock(Date.now())}: ${e.message}`));
  });
}

export function openDetail(newKey) {
  const [egress, carrier, region] = newKey.split('\u0000');
  key = newKey;
  choose(key);
  $('detail').hidden = false;
  $('detail-title').textContent = `${egress} → ${carrier}, ${region}`;
  $('detail-title').focus();
  reload();
}

export function closeDetail() {
  if (!key) return;
  key = '';
  asked++;
  clearCharts();
  $('detail').hidden = true;
  choose('');
}

// Something happened to an address.
export function addStanding(e) {
  if (key && e.event === 'listing' && e.egress === key.split('\u0000')[0]) reload();
}

// New figures have come: the facts at once; the charts are asked for anew every minute.
export function refreshFacts() {
  if (key) showFacts(pathOf(key));
}

export function start() {
  for (const [name, text] of SPANS) {
    const button = make('button', { type: 'button', 'aria-pressed': String(name === span) }, text);
    button.addEventListener('click', () => {
      span = name;
      [...$('spans').children].forEach((b) => b.setAttribute('aria-pressed', String(b === button)));
      reload();
    });
    $('spans').append(button);
  }
  $('close').addEventListener('click', closeDetail);
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape') closeDetail(); });
  setInterval(() => { if (key && !document.hidden) reload(); }, 60000);
}
