/** Gathers an answer that comes in pieces, telling how much has come. A browser keeps what is large on its disk. */
export async function gather(reply: Response, progress: (bytes: number) => void): Promise<Blob> {
  const pieces: BlobPart[] = []
  let bytes = 0
  const reader = reply.body?.getReader()
  for (;;) {
    const read = await reader?.read()
    if (!read || read.done) break
    pieces.push(read.value)
    bytes += read.value.byteLength
    progress(bytes)
  }
  return new Blob(pieces, { type: 'application/zip' })
}

/** A ZIP file ends with a record of its own: one that was cut off lacks it. */
export async function isWholeZip(file: Blob): Promise<boolean> {
  const tail = new Uint8Array(await file.slice(-22).arrayBuffer())
  return tail.length === 22 && tail[0] === 0x50 && tail[1] === 0x4b && tail[2] === 0x05 && tail[3] === 0x06
}
