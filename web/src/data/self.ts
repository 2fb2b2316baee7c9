import type { Matrix } from '../net/matrix'
import { bare } from './bare'
import type { Database } from './database'
import type { Known } from './known'

export interface Profile {
  name?: string
  avatar?: string
}

/** Puts a photo on the server, bare of what nobody sees in it; its mxc address. */
export async function uploaded(matrix: Matrix, file: File): Promise<string> {
  const { content_uri: uri } = await matrix.createMedia()
  await matrix.upload(uri, await bare(file), () => {}, new AbortController().signal)
  return uri
}

/** Who one is to others, and whom one does not want to hear. */
export class Self {
  profile: Profile = {}

  constructor(
    private readonly known: Known,
    private readonly database: Database,
    private readonly matrix: Matrix,
  ) {}

  async remember(): Promise<void> {
    this.profile = ((await this.database.get('facts', 'profile')) as Profile | undefined) ?? {}
  }

  /** As the server has it: another device may have changed it. */
  async learn(): Promise<void> {
    const told = await this.matrix.profile(this.known.me).catch(() => null)
    if (!told) return
    await this.keep({ ...(told.displayname && { name: told.displayname }), ...(told.avatar_url && { avatar: told.avatar_url }) })
  }

  async setName(name: string): Promise<void> {
    await this.matrix.setProfile(this.known.me, 'displayname', name)
    await this.keep({ ...this.profile, name })
  }

  async setPhoto(file: File): Promise<void> {
    const avatar = await uploaded(this.matrix, file)
    await this.matrix.setProfile(this.known.me, 'avatar_url', avatar)
    await this.keep({ ...this.profile, avatar })
  }

  async removePhoto(): Promise<void> {
    await this.matrix.setProfile(this.known.me, 'avatar_url', '')
    const { avatar: _, ...profile } = this.profile
    await this.keep(profile)
  }

  async setIgnored(user: string, is: boolean): Promise<void> {
    const others = this.known.account.ignored.filter((one) => one !== user)
    const ignored = is ? [...others, user] : others
    await this.matrix.setAccountData(this.known.me, 'm.ignored_user_list', { ignored_users: Object.fromEntries(ignored.map((one) => [one, {}])) })
    this.known.changedAccount({ ignored })
  }

  private async keep(profile: Profile): Promise<void> {
    this.profile = profile
    await this.database.put('facts', profile, 'profile')
    this.known.emit('profile')
  }
}
