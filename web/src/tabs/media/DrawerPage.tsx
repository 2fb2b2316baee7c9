import type { JSX } from 'solid-js'
import Drawer from './Drawer'

/** The drawer of all rooms, as a page of its own. */
export default function DrawerPage(): JSX.Element {
  return <Drawer />
}
