// heat — the map of all paths: egress by (carrier, region), coloured by predicted time

import { $, make, ms, percent, known } from './common.js';

const STEPS = [100, 200, 350, 600, 1000, 2000, 5000];  // ms, upper ends of the colours
const paths = new Map();                               // key to the newest row
const cells = new Map();                               // key to the button that shows it
const faults = new Map();                              // egress to why it takes no mail
let swapped = null;                                    // null: what fits
let chosen = '';
let open = () => {};

export const keyOf = (p) => [p.egress, p.carrier, p.region].join('\u0000');
export const pathOf = (key) => paths.get(key);

const step = (cost) => STEPS.filter((end) => cost > end).length;

// One mark from 0.5 %, two from 2 %, three from 5 %.
const marks = (loss) => '▲'.repeat((loss >= 0.005) + (loss >= 0.02) + (loss >= 0.05));

function look(p) {
  if (p.state === 'down') return { class: 'down', text: '✕ down' };
  if (!known(p.cost_ms)) return { class: 'unknown', text: '–' };
  return { class: `c${step(p.cost_ms)}`, text: ms(p.cost_ms) };
}

function describe(p) {
  const words = [`${p.egress} to ${p.carrier}, ${p.region}: ${p.state}`];
  if (known(p.cost_ms)) words.push(`${ms(p.cost_ms)} predicted`);
  if (known(p.loss)) words.push(`${percent(p.loss)} loss`);
  if (p.measured) words.push(`measured ${p.measured}`);
  if (p.preferred) words.push('preferred');
  if (p.destination_suspect) words.push('the destination itself seems to fail');
  if (faults.has(p.egress)) words.push(`the egress takes no mail: ${faults.get(p.egress)}`);
  return words.join(', ');
}

function paint(button, p) {
  const shown = look(p);
  const small = [];
  if (known(p.loss) && p.loss >= 0.005) small.push(`${marks(p.loss)} ${percent(p.loss)}`);
  if (p.state === 'suspect') small.push('suspect');
  if (p.destination_suspect) small.push('destination?');
  button.className = [shown.class, p.preferred ? 'preferred' : '',
    faults.has(p.egress) ? 'out' : '', keyOf(p) === chosen ? 'chosen' : ''].join(' ').trim();
  button.replaceChildren(shown.text, make('small', {}, small.join(' ')));
  button.setAttribute('aria-label', describe(p));
  button.title = describe(p);
}

function cellFor(key) {
  const p = paths.get(key);
  if (!p) return make('td');
  const button = make('button', { type: 'button', tabindex: '-1' });
  button.dataset.key = key;
  button.addEventListener('click', () => open(key));
  cells.set(key, button);
  paint(button, p);
  return make('td', {}, button);
}

const egressHead = (egress, attributes) => make('th', attributes, egress,
  ...(faults.has(egress) ? [make('small', { class: 'fault' }, `✕ ${faults.get(egress)}`)] : []));

const groupHead = (group, attributes) => make('th', attributes, group.carrier, ' ',
  make('span', { class: 'region' }, group.region));

function matches(filter, ...words) {
  return filter.split(/\s+/).every((part) => words.some((w) => w.toLowerCase().includes(part)));
}

// The two axes, after the filter: names of egresses, and groups.
function axes() {
  const filter = $('filter').value.trim().toLowerCase();
  const egresses = new Set();
  const groups = new Map();
  for (const p of paths.values()) {
    if (filter && !matches(filter, p.egress, p.carrier, p.region)) continue;
    egresses.add(p.egress);
    groups.set(`${p.carrier}\u0000${p.region}`, p);
  }
  return { egresses: [...egresses],
    groups: [...groups.values()].sort((a, b) => a.carrier.localeCompare(b.carrier) ||
      a.region.localeCompare(b.region)) };
}

const cellsOf = (egress, group) => cellFor([egress, group.carrier, group.region].join('\u0000'));

function build({ egresses, groups }) {
  const head = make('tr', {}, make('th', { scope: 'col' }, ''));
  const body = make('tbody');
  if (swapped ?? (groups.length > egresses.length && window.innerWidth < 130 * groups.length)) {
    egresses.forEach((e) => head.append(egressHead(e, { scope: 'col' })));
    groups.forEach((g) => body.append(make('tr', {}, groupHead(g, { scope: 'row' }),
      ...egresses.map((e) => cellsOf(e, g)))));
  } else {
    groups.forEach((g) => head.append(groupHead(g, { scope: 'col' })));
    egresses.forEach((e) => body.append(make('tr', {}, egressHead(e, { scope: 'row' }),
      ...groups.map((g) => cellsOf(e, g)))));
  }
  return make('table', {}, make('caption', { class: 'skip' },
    'Predicted time of a small mail, by egress and destination group'),
  make('thead', {}, head), body);
}

export function draw() {
  const focus = document.activeElement?.dataset?.key;
  cells.clear();
  const shape = axes();
  if (!shape.egresses.length) {
    $('heat').replaceChildren(make('p', { class: 'empty' },
      paths.size ? 'Nothing matches.' : 'No path has been measured yet.'));
    return;
  }
  $('heat').replaceChildren(build(shape));
  const first = cells.get(focus) ?? cells.values().next().value;
  if (first) first.tabIndex = 0;
  if (focus && cells.has(focus)) first.focus();
}

// `at`: when its figures were measured. They come again when they are others, so an age would not
// stay true.
function keep(p) {
  paths.set(keyOf(p), known(p.age_s) ? { ...p, at: Date.now() - 1000 * p.age_s } : p);
}

export function setAll(rows) {
  paths.clear();
  rows.forEach(keep);
  draw();
}

export function setSome(rows) {
  for (const p of rows) {
    keep(p);
    const button = cells.get(keyOf(p));
    if (button) paint(button, p);
  }
}

// Rows of egresses: those that take no mail are marked as a whole.
export function setFaults(rows) {
  const now = rows.filter((e) => e.state !== 'fine' && e.state !== 'unknown');
  const same = now.length === faults.size && now.every((e) => faults.get(e.egress) === e.state);
  if (same) return;
  faults.clear();
  now.forEach((e) => faults.set(e.egress, e.state));
  draw();
}

// Marks the cell whose history is shown; '' for none.
export function choose(key) {
  const before = chosen;
  chosen = key;
  for (const k of [before, key]) {
    if (cells.has(k)) paint(cells.get(k), paths.get(k));
  }
  cells.get(before)?.focus();
}

function onKey(event) {
  const button = event.target.closest('button');
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const move = moves[event.key];
  if (!button || !move) return;
  const td = button.parentElement;
  const row = td.parentElement.parentElement.rows[td.parentElement.sectionRowIndex + move[0]];
  const to = row?.cells[td.cellIndex + move[1]]?.querySelector('button');
  if (!to) return;
  event.preventDefault();
  button.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}

function legend() {
  const ends = [...STEPS.map((end) => `≤ ${ms(end)}`), `> ${ms(STEPS[STEPS.length - 1])}`];
  $('legend').append(...ends.map((text, i) => make('span', { class: `c${i}` }, text)),
    make('span', { class: 'down' }, '✕ down'), make('span', { class: 'unknown' }, '– unknown'),
    make('span', {}, '▲ loss from 0.5 %, ▲▲ 2 %, ▲▲▲ 5 %'),
    make('span', { class: 'preferred' }, 'framed: preferred'));
}

export function start(onOpen) {
  open = onOpen;
  legend();
  $('heat').addEventListener('keydown', onKey);
  $('filter').addEventListener('input', draw);
  $('swap').addEventListener('click', () => {
    const byGroup = $('heat').querySelector('tbody th .region') !== null;
    swapped = !byGroup;
    $('swap').setAttribute('aria-pressed', String(swapped));
    draw();
  });
}
