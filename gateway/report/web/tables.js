// tables — switches with their reasons, egresses with their states, the queue by site and lane

import { $, make, ask, fillTable, ms, age, clock, known } from './common.js';

const SITES_SHOWN = 100;
const EVENTS_SHOWN = 200;
const DAY_MS = 24 * 3600e3;
const LANES = ['urgent', 'high', 'normal', 'bulk', 'busy', 'waiting', 'held'];
let events = [];

function what(e) {
  if (e.event === 'switch') {
    return `${e.mail === 'large' ? 'large mail: ' : ''}${e.from ?? 'none'} → ${e.to ?? 'none'}`;
  }
  if (e.event === 'listing') return `${e.address ?? e.egress} · ${e.with}: ${e.to}`;
  return [e.event.replaceAll('_', ' '), e.from, e.fault].filter(Boolean).join(' · ');
}

const gain = (e) => (known(e.from_ms) && known(e.to_ms) ? `${ms(e.from_ms)} → ${ms(e.to_ms)}` : '');

export function fillEvents(table, rows, empty) {
  fillTable(table, 'Switches of paths and faults, newest first', [
    { head: 'time', cell: (e) => make('time', { datetime: e.time }, clock(e.time)) },
    { head: 'destination', cell: (e) => [e.carrier, e.region].filter(Boolean).join(', ') || 'all' },
    { head: 'what', cell: what },
    { head: 'predicted', cell: gain },
    { head: 'why', cell: (e) => e.reason, class: () => 'text' },
  ], rows, empty);
}

function drawEvents() {
  fillEvents($('switches'), events, 'None.');
}

const identity = (e) => [e.time, e.event, e.from, e.to, e.carrier, e.region, e.mail].join('|');

export const newestFirst = (a, b) => Date.parse(b.time) - Date.parse(a.time);

// What is asked for and what comes by itself may cross: each event is kept once, newest first.
function addEvents(more) {
  const all = new Map([...events, ...more].map((e) => [identity(e), e]));
  events = [...all.values()].filter((e) => Date.now() - Date.parse(e.time) < DAY_MS)
    .sort(newestFirst).slice(0, EVENTS_SHOWN);
  drawEvents();
}

export async function loadEvents() {
  addEvents(await ask('switches', { since: '24h', limit: EVENTS_SHOWN }));
}

export const addEvent = (event) => addEvents([event]);

const fine = (e) => e.state === 'fine' || e.state === 'unknown';

export function drawEgresses(rows) {
  fillTable($('egress'), 'Egresses with their states', [
    { head: 'egress', cell: (e) => e.egress },
    { head: 'state', cell: (e) => e.state.replaceAll('_', ' '), class: (e) => (fine(e) ? '' : 'bad') },
    { head: 'since', cell: (e) => (e.since ? clock(e.since) : '') },
    { head: 'evidence', cell: (e) => e.evidence, class: (e) => (e.evidence ? 'text' : '') },
    { head: 'leaves by', cell: (e) => [e.kind, ...e.addresses].join(' ') },
    { head: 'carrier', cell: (e) => e.carrier },
    { head: 'region', cell: (e) => e.region },
    { head: 'weight', number: true, cell: (e) => String(e.weight) },
    { head: 'up', number: true, cell: (e) => String(e.paths?.up ?? '') },
    { head: 'suspect', number: true, cell: (e) => String(e.paths?.suspect ?? '') },
    { head: 'down', number: true, cell: (e) => String(e.paths?.down ?? ''),
      class: (e) => (e.paths?.down ? 'bad' : '') },
    { head: 'preferred for', number: true, cell: (e) => String(e.paths?.preferred ?? '') },
  ], rows, 'No egress is configured.');
}

// As the gateway counts them (queue/inspect.h): younger than, and no younger than the one before.
const AGES = ['1m', '5m', '10m', '20m', '40m', '80m', '160m', '320m', '640m', '1280m', 'older'];
const MAIL_LANES = LANES.slice(0, 4);

const heldBack = (r) => {
  const number = { 'back-off': `${r.backoff_s} s`, connecting: r.sessions, connections: r.connections,
    'what it bears': r.bears }[r.held_back_by];
  return [r.held_back_by, known(number) ? `(${number})` : ''].filter(Boolean).join(' ');
};

// Those there are, of as many as it may have.
const sessions = (r) => (r.connections ? `${r.sessions ?? 0} of ${r.connections}`
  : String(r.sessions || ''));

// Of each site and lane with mail; the oldest of all come first.
function ageRows(rows) {
  const list = rows.flatMap((r) => MAIL_LANES.filter((lane) => r.ages?.[lane]).map((lane) => ({
    site: r.site || '(not looked up yet)', lane, ages: r.ages[lane],
    all: r.ages[lane].reduce((sum, n) => sum + n, 0) })));
  const oldest = (r) => r.ages.findLastIndex((n) => n > 0);
  return list.sort((a, b) => oldest(b) - oldest(a) || b.all - a.all);
}

function drawAges(rows) {
  const most = Math.max(1, ...rows.flatMap((r) => r.ages));
  const shade = (n) => ['', 'c3', 'c4', 'c5', 'c6'][Math.ceil(4 * (n || 0) / most)];
  fillTable($('ages'), 'Age of what waits, by site and lane', [
    { head: 'site', cell: (r) => r.site },
    { head: 'lane', cell: (r) => r.lane },
    { head: 'all', number: true, cell: (r) => String(r.all) },
    ...AGES.map((head, i) => ({ head, number: true, cell: (r) => String(r.ages[i] || ''),
      class: (r) => shade(r.ages[i]) })),
  ], rows.slice(0, SITES_SHOWN), 'No mail waits.');
}

const mails = (row) => LANES.reduce((sum, lane) => sum + (row[lane] ?? 0), 0);

export async function loadQueue() {
  const rows = await ask('queues');
  rows.sort((a, b) => mails(b) - mails(a));
  fillTable($('queue'), 'Mail by site and lane', [
    { head: 'site', cell: (r) => r.site || '(not looked up yet)' },
    ...LANES.map((lane) => ({ head: lane, number: true, cell: (r) => String(r[lane] || '') })),
    { head: 'oldest', number: true, cell: (r) => age(r.age_s) },
    { head: 'sessions', cell: sessions },
    { head: 'held back by', cell: heldBack },
    { head: 'last error', cell: (r) => r.last_error, class: (r) => (r.last_error ? 'text' : '') },
  ], rows.slice(0, SITES_SHOWN), 'No mail waits.');
  drawAges(ageRows(rows));
}
