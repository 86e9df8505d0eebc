// Figures of the Cluster page as people read them. Pure functions, no DOM.

/** What stands where nothing is known. */
export const UNKNOWN = '–';

const known = (value) => value !== null && value !== undefined && Number.isFinite(Number(value));

/** Three digits that mean something: 1.23, 12.3, 123. */
function three(value) {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : String(Math.round(value));
}

/** "1,234,567" */
export function count(value) {
  return known(value) ? Math.round(Number(value)).toLocaleString('en') : UNKNOWN;
}

/** Images a second: "0", "0.4", "61.2", "1,204". */
export function perSecond(value) {
  if (!known(value)) return UNKNOWN;
  const number = Math.max(0, Number(value));
  if (number === 0) return '0';
  if (number < 0.05) return '<0.1';
  return number < 99.95 ? number.toFixed(1) : count(number);
}

/** Milliseconds: "<0.01 ms", "0.36 ms", "12.5 ms", "184 ms", "1.24 s", "2 min 5 s". */
export function time(ms) {
  if (!known(ms)) return UNKNOWN;
  const value = Math.max(0, Number(ms));
  if (value === 0) return '0 ms';
  if (value < 0.01) return '<0.01 ms';
  if (value < 999.5) return `${three(value)} ms`;
  const seconds = value / 1000;
  return seconds < 59.5 ? `${three(seconds)} s` : age(seconds);
}

/** A part of a whole: "0 %", "<0.1 %", "10.3 %". */
export function share(value) {
  if (!known(value)) return UNKNOWN;
  const percent = Math.min(100, Math.max(0, Number(value) * 100));
  if (percent === 0) return '0 %';
  if (percent < 0.05) return '<0.1 %';
  return percent < 99.95 ? `${percent.toFixed(1)} %` : '100 %';
}

const BIT_UNITS = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s'];

/** Bits a second: "0 bit/s", "28.2 Mbit/s". */
export function bits(value) {
  if (!known(value)) return UNKNOWN;
  let number = Math.max(0, Number(value));
  let unit = 0;
  while (number >= 999.5 && unit < BIT_UNITS.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(number) : three(number)} ${BIT_UNITS[unit]}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB'];

/** Bytes: "0 B", "1.50 MiB". */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  let number = Math.max(0, Number(value));
  let unit = 0;
  while (number >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(number) : three(number)} ${BYTE_UNITS[unit]}`;
}

/** How long something lasts, coarser as it grows: "9 s", "3 min 20 s", "2 h 5 min", "4 d 1 h". */
export function age(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(Number(seconds)));
  const parts = (big, bigUnit, small, smallUnit) =>
    `${big} ${bigUnit}${small > 0 ? ` ${small} ${smallUnit}` : ''}`;
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return parts(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return parts(Math.floor(whole / 3600), 'h', Math.floor(whole % 3600 / 60), 'min');
  return parts(Math.floor(whole / 86400), 'd', Math.floor(whole % 86400 / 3600), 'h');
}

/** "worker-1", "worker-1 and worker-2", "worker-1, worker-2 and 7 more" */
export function names(list) {
  if (list.length <= 3) {
    return list.length < 2 ? list.join('') : `${list.slice(0, -1).join(', ')} and ${list.at(-1)}`;
  }
  return `${list.slice(0, 2).join(', ')} and ${list.length - 2} more`;
}
