/** Days as people here have them: in this device's time zone. */

/** A moment as a date field has its day: "2026-11-26". */
export function dayInput(ts: number): string {
  const day = new Date(ts)
  return [day.getFullYear(), String(day.getMonth() + 1).padStart(2, '0'), String(day.getDate()).padStart(2, '0')].join('-')
}

/** When a day of a date field begins; undefined for what is none. */
export function startOfDay(input: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(input)
  return match ? new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3])).getTime() : undefined
}
