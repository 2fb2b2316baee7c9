/** Files that are dragged over a conversation; the innermost one takes them. Words that are dragged go where they are dropped. */
export function dropping(isOpen: () => boolean, show: (is: boolean) => void, send: (files: File[]) => void) {
  const hasFiles = (event: DragEvent) => isOpen() && event.dataTransfer?.types.includes('Files') === true
  return {
    onDragOver: (event: DragEvent) => hasFiles(event) && (event.preventDefault(), event.stopPropagation(), show(true)),
    onDragLeave: (event: DragEvent) => (event.currentTarget as Element).contains(event.relatedTarget as Node | null) || show(false),
    onDrop: (event: DragEvent) => {
      show(false)
      if (!hasFiles(event)) return
      event.preventDefault()
      event.stopPropagation()
      send([...(event.dataTransfer?.files ?? [])])
    },
  }
}
