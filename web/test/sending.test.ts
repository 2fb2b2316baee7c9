import { expect, test } from 'vitest'
import { contentOf } from '../src/data/content'
import { captionOf, mediaOf } from '../src/data/timeline'
import { after, whyNot } from '../src/tabs/media/lens'

test('what was said with a file is its caption, and its name is not', () => {
  const of = (content: object) => captionOf(contentOf(content))
  expect(of({ body: '봄', filename: 'a.jpg' })).toBe('봄')
  expect(of({ body: 'a.jpg', filename: 'a.jpg' })).toBeUndefined()
  expect(of({ body: 'a.jpg' })).toBeUndefined()
  expect(of({ body: '', filename: 'a.jpg' })).toBeUndefined()
  expect(mediaOf('m.room.message', contentOf({ msgtype: 'm.image', url: 'mxc://a/b', body: '봄', filename: 'a.jpg' }))).toMatchObject({ name: 'a.jpg', caption: '봄' })
})

test('cameras take turns, where there are several', () => {
  expect(after(['front', 'back'], 'front')).toBe('back')
  expect(after(['front', 'back'], 'back')).toBe('front')
  expect(after(['front', 'back'], undefined)).toBe('front')
  expect(after(['front'], 'front')).toBeUndefined()
  expect(after([], undefined)).toBeUndefined()
})

test('why a camera does not open', () => {
  const named = (name: string) => whyNot(new DOMException('', name))
  expect(named('NotAllowedError')).toBe('refused')
  expect(named('NotFoundError')).toBe('none')
  expect(named('NotReadableError')).toBe('busy')
  expect(whyNot('nothing')).toBe('busy')
})
