import { onCleanup, type JSX } from 'solid-js'

/** A photo that is still on this device alone. */
export function LocalPicture(props: { blob: Blob; box: { width: number; height: number } }): JSX.Element {
  const address = URL.createObjectURL(props.blob)
  onCleanup(() => URL.revokeObjectURL(address))
  return (
    <span class="photo" style={{ width: `${props.box.width}px`, height: `${props.box.height}px` }}>
      <img src={address} alt="" width={props.box.width} height={props.box.height} />
    </span>
  )
}
