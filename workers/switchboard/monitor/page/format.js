// Figures, times and counts as text.

/** Seconds as 7 s, 1:05 or 1:02:03; null as a dash. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds rounded to whole ones, for means and maxima. */
export function rounded(seconds) {
  return span(seconds === null ? null : Math.round(seconds));
}

/** Seconds with units, for sentences and screen readers. */
export function spanWords(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A share from 0 to 1 in percent, rounded; 100 % only for 1 itself. */
export function percent(share) {
  if (share === null) return "–";
  return `${share === 1 ? 100 : Math.min(99, Math.round(share * 100))} %`;
}

const TIME_OF_DAY = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
let times = new Intl.DateTimeFormat([], TIME_OF_DAY);

/** Show times in the monitor's time zone, whose midnight begins the day, and not in the browser's. */
export function setZone(timeZone) {
  try {
    times = new Intl.DateTimeFormat([], { ...TIME_OF_DAY, timeZone });
  } catch {
    // Browsers lack some names of time zones; then times stay in the browser's.
  }
}

/** The time of day in the monitor's time zone. */
export function clock(moment) {
  return times.format(new Date(moment));
}

export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
