/** Marks that turn the direction of writing: with one of them “photo_gpj.exe” reads as “photo_exe.jpg”. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Those that turn letters which have a direction of their own: nobody writes so, but who lets an address read as another. */
const FORCED = /[\u202d\u202e]/gu

/** A text without the latter. */
export const unforced = (text: string): string => text.replace(FORCED, '')

/** A name without any. Scripts that run from right to left need none. */
export const straight = (name: string): string => name.replace(TURNS, '')
