/** Marks that turn the direction of writing: with one of them “photo_gpj.exe” reads as “photo_exe.jpg”. */
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** A name without them. Scripts that run from right to left need none. */
export const straight = (name: string): string => name.replace(TURNS, '')
