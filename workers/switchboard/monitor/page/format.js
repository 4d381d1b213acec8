// Figures as people read them.

/** Seconds as 7 s, 1:05 or 1:02:03; nothing to tell is a dash. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A figure of many waits, to the nearest second. */
export function rounded(seconds) {
  return span(seconds === null ? null : Math.round(seconds));
}

/** The same in words, for a sentence and for those who hear it. */
export function spanWords(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A share from 0 to 1 in percent. 100 % is said only where all were in time. */
export function percent(share) {
  if (share === null) return "–";
  return `${share === 1 ? 100 : Math.min(99, Math.round(share * 100))} %`;
}

/** The time of day on this machine. */
export function clock(moment) {
  return new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
