// common — what the parts of the page share: asking, text, tables. Text from the gateway is only
// ever set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

// An element with attributes and children; strings become text.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') element.className = value;
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export async function ask(path, fields = {}) {
  const query = new URLSearchParams(fields).toString();
  const response = await fetch(`api/v1/${path}${query ? `?${query}` : ''}`);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

export const known = (value) => value !== undefined && value !== null;

export function ms(value) {
  if (!known(value)) return '–';
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function percent(share) {
  if (!known(share)) return '–';
  const value = share * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function rate(bytesPerSecond) {
  if (!known(bytesPerSecond)) return '–';
  return `${(bytesPerSecond * 8 / 1e6).toFixed(1)} Mbit/s`;
}

export function age(seconds) {
  if (!known(seconds)) return '–';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

export function clock(time) {
  const at = new Date(time);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString() : at.toLocaleString();
}

// columns: [{head, number, cell: row => text or element, class: row => name}]
export function fillTable(table, caption, columns, rows, empty) {
  table.setAttribute('role', 'table');          // on a phone rows are laid out as blocks
  table.replaceChildren(make('caption', { class: 'skip' }, caption));
  if (!rows.length) {
    table.append(make('tbody', {}, make('tr', { role: 'row' },
      make('td', { class: 'empty', role: 'cell' }, empty))));
    return;
  }
  const heads = columns.map((c) => make('th', { scope: 'col', role: 'columnheader',
    class: c.number ? 'number' : '' }, c.head));
  const body = make('tbody');
  for (const row of rows) {
    body.append(make('tr', { role: 'row' }, ...columns.map((c) => make('td',
      { class: [c.number ? 'number' : '', c.class ? c.class(row) : ''].join(' ').trim(),
        role: 'cell', 'data-head': c.head }, c.cell(row) ?? ''))));
  }
  table.append(make('thead', {}, make('tr', { role: 'row' }, ...heads)), body);
}
