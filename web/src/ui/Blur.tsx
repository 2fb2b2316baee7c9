import { onMount, type JSX } from 'solid-js'

const SIDE = 32

/** A picture as it looks from far away, until it is there. */
export function Blur(props: { hash: string }): JSX.Element {
  let canvas!: HTMLCanvasElement
  onMount(() => {
    void import('../data/blurhash').then(
      ({ decode }) => {
        const pixels = decode(props.hash, SIDE, SIDE)
        if (pixels) canvas.getContext('2d')?.putImageData(new ImageData(pixels, SIDE, SIDE), 0, 0)
      },
      () => {}, // without a network there is no guess, and soon the picture or a word about it
    )
  })
  return <canvas class="blur" ref={canvas} width={SIDE} height={SIDE} aria-hidden="true" />
}
