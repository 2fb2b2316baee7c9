import { language } from '../../ui/settings'

const ko = {
  title: (count: number) => (count === 1 ? '보내기' : `${count}개 보내기`),
  chosen: '보낼 것',
  without: (name: string) => `“${name}” 빼기`,
  more: '더 고르기',
  caption: '함께 보낼 말',
  captionHint: '마지막 것 아래에 보입니다.',
  send: '보내기',
  cancel: '취소',

  camera: '사진 찍기',
  preview: '카메라 화면',
  taken: '찍은 사진',
  take: '찍기',
  again: '다시 찍기',
  use: '이 사진 쓰기',
  other: '다른 카메라',
  opening: '카메라를 켜는 중…',
  refused: '카메라를 쓸 수 없습니다. 브라우저 설정에서 카메라를 허용해 주세요.',
  none: '카메라를 찾지 못했습니다.',
  busy: '카메라가 켜지지 않습니다. 다른 프로그램이 쓰고 있으면 끄고 다시 해 주세요.',
  tryAgain: '다시 하기',
  photoName: (when: string) => `사진 ${when}`,
}

const en: typeof ko = {
  title: (count) => (count === 1 ? 'Send' : `Send ${count}`),
  chosen: 'What is sent',
  without: (name) => `Leave out “${name}”`,
  more: 'Choose more',
  caption: 'Caption',
  captionHint: 'It is shown under the last one.',
  send: 'Send',
  cancel: 'Cancel',

  camera: 'Take a photo',
  preview: 'What the camera sees',
  taken: 'The photo you took',
  take: 'Take photo',
  again: 'Take again',
  use: 'Use this photo',
  other: 'Other camera',
  opening: 'Opening the camera…',
  refused: 'The camera cannot be used. Allow it in the settings of your browser.',
  none: 'No camera was found.',
  busy: 'The camera does not start. If another program uses it, close that and try again.',
  tryAgain: 'Try again',
  photoName: (when) => `Photo ${when}`,
}

/** What is said before something is sent; fetched with what says it. */
export const w = (): typeof ko => (language() === 'en' ? en : ko)
