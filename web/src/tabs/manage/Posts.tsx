import { createSignal, Show, type JSX } from 'solid-js'
import { ask } from '../../data/service'
import type { PostSaid, PostsSaid } from '../../net/interface'
import { useClient } from '../../ui/client'
import { Confirm, Dialog } from '../../ui/Dialog'
import { Picture } from '../../ui/Picture'
import { dayAndClock, t } from '../../ui/settings'
import { Linked } from '../channels/Linked'
import { Field, Fresh, Pending, read } from '../services/Parts'
import { sight } from '../services/sight'
import { sw } from '../services/words'
import { PictureField, Rows } from './parts'
import { isEditor, type SectionProps } from './shop'
import { intentName, wishesIn, type Wishes } from './wishes'
import { w } from './words'

const FIRST = 20
const STEP = 50

/** What stays on the channel's home. */
export default function Posts(props: SectionProps): JSX.Element {
  const { shop } = props
  const [count, setCount] = createSignal(FIRST)
  const [writing, setWriting] = createSignal<PostSaid | 'new'>()
  const [removing, setRemoving] = createSignal<PostSaid>()
  const posts = sight<PostsSaid>(shop.client, {
    look: () => ask(shop.client.matrix, 'GET /_bongsu/v1/channels/{channel_id}/posts', { channel_id: shop.id }, { limit: String(count()) }),
    pace: () => 60_000,
    name: `manage posts ${shop.id}`,
  })
  const wishes = wishesIn(shop, 'posts', () => posts.poke())
  return (
    <>
      <p class="quiet">{w().postsHint}</p>
      <Show when={isEditor(shop)}>
        <p class="choices">
          <button type="button" class="strong" onClick={() => setWriting('new')}>
            {w().newPost}
          </button>
        </p>
      </Show>
      <Fresh of={posts} />
      <Pending intents={wishes.intents()} nameOf={intentName} errors={w().errors} />
      <ul class="cards">
        <Rows rows={posts.value()?.posts} id={(post) => post.post_id} fallback={<li class="empty">{posts.value() ? w().noPosts : t().loading}</li>}>
          {(post) => (
            <li class="block">
              <Show when={post().title}>
                <h3>{post().title}</h3>
              </Show>
              <Linked text={post().body} />
              <Show when={post().picture}>{(uri) => <PostPicture uri={uri()} alt={post().title ?? ''} />}</Show>
              <p class="quiet small">{[dayAndClock(post().made_ts), post().edited_ts ? w().edited : ''].filter(Boolean).join(' · ')}</p>
              <Show when={isEditor(shop)}>
                <p class="choices">
                  <button type="button" class="plain" onClick={() => setWriting(post())}>
                    {w().edit}
                  </button>
                  <button type="button" class="plain" onClick={() => setRemoving(post())}>
                    {w().remove}
                  </button>
                </p>
              </Show>
            </li>
          )}
        </Rows>
      </ul>
      <Show when={posts.value()?.next_batch && count() < 200}>
        <button type="button" class="plain" onClick={() => (setCount(count() + STEP), posts.poke())}>
          {w().more}
        </button>
      </Show>
      <Show when={writing()} keyed>
        {(post) => <PostForm wishes={wishes} post={post === 'new' ? undefined : post} onClose={() => setWriting(undefined)} />}
      </Show>
      <Show when={removing()} keyed>
        {(post) => (
          <Confirm
            title={w().removePost}
            text={w().removePostConfirm}
            action={w().remove}
            onClose={() => setRemoving(undefined)}
            onYes={() => {
              wishes.want('DELETE /_bongsu/v1/channels/{channel_id}/posts/{post_id}', { post_id: post.post_id }, undefined, post.post_id)
              setRemoving(undefined)
            }}
          />
        )}
      </Show>
    </>
  )
}

function PostPicture(props: { uri: string; alt: string }): JSX.Element {
  const client = useClient()
  return (
    <div class="card-picture">
      <Picture media={client.media} uri={props.uri} size={{ width: 640, height: 640 }} alt={props.alt} />
    </div>
  )
}

function PostForm(props: { wishes: Wishes; post: PostSaid | undefined; onClose: () => void }): JSX.Element {
  const [picture, setPicture] = createSignal(props.post?.picture ?? undefined)
  function send(event: SubmitEvent & { currentTarget: HTMLFormElement }): void {
    event.preventDefault()
    const said = read(event.currentTarget)
    const body = { title: said['title'] ?? '', body: said['body'] ?? '', ...(picture() && { picture: picture()! }) }
    if (props.post) props.wishes.want('PUT /_bongsu/v1/channels/{channel_id}/posts/{post_id}', { post_id: props.post.post_id }, body, props.post.post_id)
    else props.wishes.want('POST /_bongsu/v1/channels/{channel_id}/posts', {}, body)
    props.onClose()
  }
  return (
    <Dialog kind="page" title={props.post ? w().edit : w().newPost} onClose={props.onClose}>
      <form class="form" onSubmit={send}>
        <Field label={`${w().title} (${sw().optional})`}>
          <input name="title" maxlength="100" value={props.post?.title ?? ''} />
        </Field>
        <Field label={w().body}>
          <textarea name="body" required maxlength="5000" rows="8">
            {props.post?.body ?? ''}
          </textarea>
        </Field>
        <PictureField label={`${w().picture} (${sw().optional})`} uri={picture()} onPick={(chosen) => setPicture(chosen?.uri)} />
        <button class="strong wide">{props.post ? t().save : w().post}</button>
      </form>
    </Dialog>
  )
}
