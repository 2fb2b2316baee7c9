// Made from the server's own description: python -m tests.web.interface writes it anew, and a test compares.

export interface AccessSaid {
  user_id: string
  what: string
  day: number
  times: number
}

export interface AccessesSaid {
  access: AccessSaid[]
  next_batch?: string | null
}

export interface AgreedSaid {
  follow?: boolean
  advertising?: boolean
  advertising_at_night?: boolean
}

export interface Agreement {
  text_version: string
  advertising?: boolean
  advertising_at_night?: boolean
}

export interface Alike {
  channel_id: string
  name: string
}

export interface AnnouncersSaid {
  announcers: string[]
  next_batch?: string | null
}

export interface Answer {
  bed_id?: string | null
  offer_id?: number | null
}

export interface Assignment {
  agent: string
  from_ts: number
  until_ts: number | null
}

export interface AudienceSaid {
  followers: number
  advertising: number
  advertising_at_night: number
}

export interface AuditEntry {
  number: number
  at_ms: number
  deed: Deed
}

export interface AuditSaid {
  entries: AuditEntry[]
  faults?: string[] | null
  next_batch?: string | null
}

export interface BedOffer {
  bed_id: string
}

export interface BedPublished {
  bed_id: string
  version: number
}

export interface BedSaid {
  bed_id: string
  hospital: string
  kinds: string[]
  place: Place
  note: string
  published_by: string
  published: number
  valid_until: number
  is_withdrawn: boolean
  is_valid: boolean
  places: number
  free: number
  version: number
  number: number
}

export interface BedWithdrawn {
  waiting_again: string[]
}

export interface BedsSaid {
  beds: BedSaid[]
  now: number
  next_batch?: string | null
}

export interface BoardMade {
  room_id: string
  title: string
}

export interface BoardSaid {
  room_id: string
  title: string
  role: 'coordinator' | 'observer' | 'provider' | 'requester'
  waiting: number
  since: number | null
}

export interface BoardsAppointment {
  role: 'coordinator' | 'observer' | 'provider' | 'requester'
  hospital?: string
  on_call?: boolean
  phone?: string
}

export interface BoardsReason {
  reason?: string
}

export interface BoardsSaid {
  boards: BoardSaid[]
  now: number
  next_batch?: string | null
}

export interface BoardsStatsSaid {
  time_to_assign_ms: Distribution
  without_bed_ms: Distribution
  waiting_now: number
  waiting_now_ms: Distribution
  bins_ms: number[]
  counts: number[]
  waiting_counts: number[]
}

export interface BookingSaid {
  booking_id: string
  offer_id: string
  state: string
  made_at: number
  until?: number | null
  position?: number | null
}

export interface BookingsEmpty {
}

export interface BookingsKeySaid {
  algorithm: string
  key: string
  keys: string[]
}

export interface BookingsMine {
  bookings: MyBooking[]
  now: number
  next_batch?: string | null
}

export interface BroadcastSaid {
  broadcast_id: string
  channel_id: string
  author: string
  body: string
  advertising: boolean
  state: CoreChannelsState
  starts_at: number
  made_ts: number
  audience?: number
  sent?: number
  refused?: number
  left?: number
  held?: number
  began_ts?: number | null
  ended_ts?: number | null
  delivered?: number | null
  read?: number | null
}

export interface BroadcastsSaid {
  broadcasts: BroadcastSaid[]
  next_batch?: string | null
}

export type ButtonKind = 'link' | 'reply'

export type By = 'agent' | 'bot' | 'desk' | 'template'

export interface Certifying {
  days?: number
}

export interface Changes {
  name?: string | null
  about?: string | null
  avatar?: string | null
  hours?: Opening[] | null
}

export interface ChannelSaid {
  channel_id: string
  account: string
  name: string
  about: string
  hours: Opening[]
  followers: number
  created_ts: number
  open_now: boolean
  avatar?: string | null
  closed_ts?: number | null
  mark?: MarkSaid | null
  mine?: ChannelsMine | null
  resembles?: Alike[]
}

export interface ChannelsAppointment {
  role: Role
}

export interface ChannelsButton {
  label: string
  url: string
}

export interface ChannelsEmpty {
}

export interface ChannelsKeysKeySaid {
  key_id: string
  name: string
  scopes: string[]
  made_by: string
  made_ts: number
  used_ts?: number | null
  revoked_ts?: number | null
  secret?: string | null
}

export interface ChannelsMarksKeySaid {
  algorithm: string
  key_id: string
  key: string
}

export interface ChannelsMine {
  follow?: boolean
  advertising?: boolean
  advertising_at_night?: boolean
  blocked?: boolean
  role?: Role | null
  room_id?: string | null
  offered?: boolean
}

export interface ChannelsSaid {
  channels: ChannelSaid[]
  next_batch?: string | null
}

export interface ChannelsStatsSaid {
  first_answer_ms: Distribution
  first_answer_by_person_ms: Distribution
  waiting_now_ms: Distribution
  conversations: Record<string, number>
}

export interface CheckIn {
  ticket?: string | null
  booking_id?: string | null
}

export interface Complaining {
  reason: string
}

export interface Complaint {
  report_id: string
  channel_id: string
  user_id: string
  reason: string
  made_ts: number
}

export type Consent = 'advertising' | 'advertising_at_night' | 'follow'

export interface ConversationSaid {
  conversation_id: string
  customer: string
  state: string
  newest_ts: number
  agent?: string | null
  waiting_since?: number | null
  name?: string | null
  newest?: Newest | null
}

export interface ConversationsSaid {
  conversations: ConversationSaid[]
  now: number
  next_batch?: string | null
}

export interface CoreButton {
  kind: ButtonKind
  label: string
  url?: string
}

export type CoreChannelsState = 'cancelled' | 'done' | 'running' | 'scheduled'

export type CoreReason = 'delivery' | 'health' | 'order' | 'payment' | 'public' | 'reservation' | 'security' | 'service'

export type CoreTemplatesState = 'approved' | 'draft' | 'refused' | 'retired' | 'submitted'

export interface Deed {
  actor: string
  action: string
  details?: Record<string, unknown>
}

export interface DetailSaid {
  conversation_id: string
  customer: string
  state: string
  newest_ts: number
  agent?: string | null
  waiting_since?: number | null
  name?: string | null
  newest?: Newest | null
  room_id: string
  agreed: AgreedSaid
  now: number
  assignments?: Assignment[]
}

export interface Distribution {
  count: number
  median: number | null
  p90: number | null
  p99: number | null
  longest: number | null
}

export interface EndpointSaid {
  endpoint_id: string
  url: string
  types: string[]
  made_by: string
  made_ts: number
  owed: number
  taken_ts?: number | null
  failing_since?: number | null
  last_failure?: string
  disabled_ts?: number | null
  disabled_why?: string
  old_secret_until?: number | null
  rotation?: string | null
  secret?: string | null
}

export interface EndpointsSaid {
  endpoints: EndpointSaid[]
  next_batch?: string | null
}

export type Fate = 'delivered' | 'queued' | 'read' | 'refused'

export interface Follower {
  user_id: string
  since_ts: number
  advertising: boolean
  advertising_at_night: boolean
}

export interface FollowersSaid {
  followers: Follower[]
  next_batch?: string | null
}

export interface Guest {
  booking_id: string
  user_id: string
  display_name: string | null
  state: string
  arrival: number
}

export interface GuestsSaid {
  bookings: Guest[]
  next_batch?: string | null
}

export interface InLine {
  booking_id: string
  state: string
  position: number
}

export interface KeysSaid {
  keys: ChannelsKeysKeySaid[]
  next_batch?: string | null
}

export type Kind = 'amount' | 'code' | 'date' | 'number' | 'text' | 'time'

export interface Made {
  offer_id: string
  announces: boolean
}

export interface MarkSaid {
  channel_id: string
  name: string
  account: string
  valid_from: number
  valid_until: number
  key_id: string
  signature: string
}

export interface MessageFate {
  message_id: string
  to: string
  state: Fate
  made_ts: number
  kind: By
  template_id?: string | null
  version?: number | null
  event_id?: string | null
  delivered_ts?: number | null
  read_ts?: number | null
}

export interface MessageSaid {
  event_id: string
  sent_ts: number
  sender: string
  content: Record<string, unknown>
  kind?: string | null
  author?: string | null
  message_id?: string | null
  read?: boolean
  deleted?: boolean
  sealed?: boolean
}

export interface MessagesSaid {
  messages: MessageSaid[]
  next_batch?: string | null
}

export interface Missed {
  booking_id: string
}

export interface MyBooking {
  booking_id: string
  offer_id: string
  state: string
  made_at: number
  until?: number | null
  position?: number | null
  offer: OfferNamed
}

export interface NewBeds {
  kinds?: string[]
  kind?: string
  bed_id?: string
  hospital?: string
  free?: number | null
  version?: number | null
  place?: string | Place
  note?: string
  valid_until?: number | string | null
}

export interface NewBoard {
  title?: string
}

export interface NewBroadcast {
  body: string
  advertising: boolean
  starts_at?: number | string | null
  picture?: Picture | null
  buttons?: ChannelsButton[]
}

export interface NewChannel {
  name: string
  about?: string
  avatar?: string | null
  hours?: Opening[]
}

export interface NewEndpoint {
  url: string
  types?: string[]
}

export interface NewKey {
  name: string
  scopes: string[]
}

export interface NewMessage {
  body: string
  url?: string | null
  mimetype?: string
  size?: number
}

export interface NewNote {
  body: string
}

export interface NewOffer {
  title: string
  place: string
  starts_at: number | string
  capacity: number
  ends_at?: number | string | null
  opens_at?: number | string | null
  area?: string
  hold_seconds?: number
  room_id?: string | null
}

export interface NewPost {
  body: string
  title?: string
  picture?: string | null
}

export interface NewReply {
  name: string
  body: string
}

export interface NewRequest {
  severity: 'critical' | 'ordinary' | 'urgent'
  needs?: string[]
  place?: string | Place
  deadline?: number | string | null
  patient?: string
  note?: string
}

export interface NewSubscription {
  area?: string
  not_before?: number | string | null
  not_after?: number | string | null
}

export interface NewTemplate {
  name: string
  reason: CoreReason
  body: string
  variables?: Variable[]
  buttons?: CoreButton[]
}

export interface Newest {
  sender: string
  body?: string
  sealed?: boolean
}

export interface Note {
  note_id: string
  author: string
  body: string
  made_ts: number
}

export interface NotesSaid {
  notes: Note[]
  next_batch?: string | null
}

export interface Nothing {
}

export interface OfferNamed {
  title: string
  place: string
  area: string
  starts_at: number
  ends_at: number
  state: string
}

export interface OfferSaid {
  offer_id: string
  provider: string
  title: string
  place: string
  area: string
  starts_at: number
  ends_at: number
  opens_at: number
  capacity: number
  available: number
  hold_seconds: number
  state: string
  room_id?: string | null
  booking?: BookingSaid | null
  now?: number | null
}

export interface OffersSaid {
  offers: OfferSaid[]
  now: number
  next_batch?: string | null
}

export interface Opened {
  room_id: string
}

export interface Opening {
  days: ('fri' | 'mon' | 'sat' | 'sun' | 'thu' | 'tue' | 'wed')[]
  opens: string
  closes: string
}

export interface PersonSaid {
  user_id: string
  role: 'coordinator' | 'observer' | 'provider' | 'requester'
  hospital: string
  on_call: boolean
  phone?: string | null
}

export interface Picture {
  url: string
  mimetype?: string
  size?: number
  w?: number
  h?: number
}

export interface Pinged {
  webhook_id: string
}

export interface Place {
  lat?: number | null
  lon?: number | null
  area?: string
}

export interface Placed {
  booking_id: string
  state: string
  until?: number | null
}

export interface PostSaid {
  post_id: string
  title: string
  body: string
  made_ts: number
  picture?: string | null
  edited_ts?: number | null
}

export interface PostsSaid {
  posts: PostSaid[]
  next_batch?: string | null
}

export interface ReasonedAnswer {
  bed_id?: string | null
  offer_id?: number | null
  reason?: string
}

export interface RepliesSaid {
  replies: Reply[]
}

export interface Reply {
  reply_id: string
  name: string
  body: string
  changed_by: string
  changed_ts: number
}

export interface ReportsSaid {
  reports: Complaint[]
  next_batch?: string | null
}

export interface RequestMade {
  request_id: string
  owner: string
  deadline: number
  due: number
}

export interface RequestNow {
  request_id: string
  state: 'accepted' | 'arrived' | 'closed' | 'offered' | 'waiting'
  owner: string
  offer_id?: number | null
}

export interface RequestSaid {
  request_id: string
  patient: string
  severity: 'critical' | 'ordinary' | 'urgent'
  needs: string[]
  place: Place
  note: string
  requested_by: string
  created: number
  deadline: number
  state: 'accepted' | 'arrived' | 'closed' | 'offered' | 'waiting'
  owner: string
  waiting_since: number
  tier: 'contacts' | 'coordinators' | 'on_call' | 'owner'
  due: number | null
  closed: number | null
  bed_id: string | null
  offer_id: number | null
  hospital: string | null
  waited_ms: number | null
  number: number
}

export interface RequestsSaid {
  requests: RequestSaid[]
  now: number
  next_batch?: string | null
}

export type Role = 'agent' | 'editor' | 'owner'

export interface Rotation {
  overlap_ms?: number
}

export interface Sending {
  to: string
  variables?: Record<string, string>
  version?: number | null
}

export interface Sent {
  message_id: string
}

export interface SentSaid {
  message_id: string
  state: Fate
}

export interface SettingsSaid {
  greeting: string
  away_text: string
  away_until: number
  bot_first: boolean
  calls_agents: boolean
  open_now: boolean
  has_bot: boolean
}

export interface Settle {
  greeting?: string
  away_text?: string
  away_until?: number | string | null
  bot_first?: boolean
  calls_agents?: boolean
}

export interface Staff {
  user_id: string
  role: Role
  since_ts: number
}

export interface StaffSaid {
  staff: Staff[]
  offered_to?: string | null
  offered_until?: number | null
}

export interface Subscribed {
  subscription_id: string
}

export interface Subscription {
  subscription_id: string
  user_id: string
  area: string
  not_before: number
  not_after: number
}

export interface Subscriptions {
  subscriptions: Subscription[]
}

export interface SuggestionSaid {
  bed_id: string
  hospital: string
  distance_km: number | null
  same_area: boolean
  spare: number
}

export interface SuggestionsSaid {
  suggestions: SuggestionSaid[]
}

export interface TextSaid {
  consent: Consent
  korean: string
  english: string
  sha256: string
}

export interface TextsSaid {
  text_version: string
  texts: TextSaid[]
}

export interface TicketSaid {
  ticket: string
}

export interface To {
  agent: string
}

export interface Variable {
  name: string
  kind?: Kind
  characters_max?: number
}

export interface VersionSaid {
  template_id: string
  version: number
  channel_id: string
  state: CoreTemplatesState
  name: string
  reason: CoreReason
  body: string
  variables?: Variable[]
  buttons?: CoreButton[]
  author: string
  made_ts: number
  why?: string
  decided_ts?: number | null
  channel_name?: string | null
}

export interface VersionsSaid {
  templates: VersionSaid[]
  next_batch?: string | null
}

export interface WholeBoard {
  room_id: string
  title: string
  role: 'coordinator' | 'observer' | 'provider' | 'requester'
  hospital: string
  may: ('accept' | 'appoint' | 'arrive' | 'assign' | 'close' | 'decline' | 'examine' | 'print' | 'publish' | 'request' | 'see' | 'transfer' | 'withdraw')[]
  people: PersonSaid[]
  tiers: ('contacts' | 'coordinators' | 'on_call' | 'owner')[]
  next_batch?: string | null
}

export interface Why {
  why: string
}

export interface Wish {
  waitlist?: boolean
}

export interface Operations {
  'GET /.well-known/bongsu/channels': { answer: ChannelsMarksKeySaid }
  'GET /_bongsu/v1/boards': { query: 'limit' | 'from'; answer: BoardsSaid }
  'GET /_bongsu/v1/boards/{room_id}': { query: 'limit' | 'from'; answer: WholeBoard }
  'POST /_bongsu/v1/boards/{room_id}': { body: NewBoard; answer: BoardMade }
  'GET /_bongsu/v1/boards/{room_id}/access': { query: 'limit' | 'from'; answer: AccessesSaid }
  'GET /_bongsu/v1/boards/{room_id}/audit': { query: 'dir' | 'verify' | 'limit' | 'from'; answer: AuditSaid }
  'GET /_bongsu/v1/boards/{room_id}/beds': { query: 'limit' | 'from'; answer: BedsSaid }
  'POST /_bongsu/v1/boards/{room_id}/beds': { body: NewBeds; answer: BedPublished }
  'POST /_bongsu/v1/boards/{room_id}/beds/{bed_id}/withdraw': { body: BoardsReason; answer: BedWithdrawn }
  'GET /_bongsu/v1/boards/{room_id}/export.csv': object
  'GET /_bongsu/v1/boards/{room_id}/export.xml': object
  'GET /_bongsu/v1/boards/{room_id}/requests': { query: 'limit' | 'from' | 'state' | 'ids'; answer: RequestsSaid }
  'POST /_bongsu/v1/boards/{room_id}/requests': { body: NewRequest; answer: RequestMade }
  'GET /_bongsu/v1/boards/{room_id}/requests/{request_id}': { answer: RequestSaid }
  'POST /_bongsu/v1/boards/{room_id}/requests/{request_id}/accept': { body: Answer; answer: RequestNow }
  'POST /_bongsu/v1/boards/{room_id}/requests/{request_id}/arrive': { body: Answer; answer: RequestNow }
  'POST /_bongsu/v1/boards/{room_id}/requests/{request_id}/assignment': { body: BedOffer; answer: RequestNow }
  'POST /_bongsu/v1/boards/{room_id}/requests/{request_id}/close': { body: BoardsReason; answer: RequestNow }
  'POST /_bongsu/v1/boards/{room_id}/requests/{request_id}/decline': { body: ReasonedAnswer; answer: RequestNow }
  'GET /_bongsu/v1/boards/{room_id}/requests/{request_id}/suggestions': { answer: SuggestionsSaid }
  'POST /_bongsu/v1/boards/{room_id}/requests/{request_id}/transfer': { body: ReasonedAnswer; answer: RequestNow }
  'PUT /_bongsu/v1/boards/{room_id}/roles/{user_id}': { body: BoardsAppointment; answer: Nothing }
  'GET /_bongsu/v1/boards/{room_id}/sheet': { query: 'lang' }
  'GET /_bongsu/v1/boards/{room_id}/stats': { query: 'since'; answer: BoardsStatsSaid }
  'GET /_bongsu/v1/bookings': { query: 'limit' | 'from' | 'dir'; answer: BookingsMine }
  'GET /_bongsu/v1/bookings/announcers': { query: 'limit' | 'from'; answer: AnnouncersSaid }
  'DELETE /_bongsu/v1/bookings/announcers/{user_id}': { answer: BookingsEmpty }
  'PUT /_bongsu/v1/bookings/announcers/{user_id}': { body: BookingsEmpty; answer: BookingsEmpty }
  'GET /_bongsu/v1/bookings/key': { answer: BookingsKeySaid }
  'GET /_bongsu/v1/bookings/offers': { query: 'area' | 'not_before' | 'not_after' | 'mine' | 'limit' | 'from'; answer: OffersSaid }
  'POST /_bongsu/v1/bookings/offers': { body: NewOffer; answer: Made }
  'GET /_bongsu/v1/bookings/offers/{offer_id}': { answer: OfferSaid }
  'GET /_bongsu/v1/bookings/offers/{offer_id}/audit': { query: 'dir' | 'verify' | 'limit' | 'from'; answer: AuditSaid }
  'POST /_bongsu/v1/bookings/offers/{offer_id}/book': { body: Wish; answer: Placed | InLine }
  'GET /_bongsu/v1/bookings/offers/{offer_id}/bookings': { query: 'limit' | 'from'; answer: GuestsSaid }
  'GET /_bongsu/v1/bookings/offers/{offer_id}/bookings.csv': object
  'POST /_bongsu/v1/bookings/offers/{offer_id}/check_in': { body: CheckIn; answer: Placed }
  'POST /_bongsu/v1/bookings/offers/{offer_id}/close': { answer: OfferSaid }
  'POST /_bongsu/v1/bookings/offers/{offer_id}/no_show': { body: Missed; answer: Placed }
  'GET /_bongsu/v1/bookings/subscriptions': { answer: Subscriptions }
  'POST /_bongsu/v1/bookings/subscriptions': { body: NewSubscription; answer: Subscribed }
  'DELETE /_bongsu/v1/bookings/subscriptions/{subscription_id}': { answer: BookingsEmpty }
  'DELETE /_bongsu/v1/bookings/{booking_id}': { answer: Placed }
  'GET /_bongsu/v1/bookings/{booking_id}': { answer: BookingSaid }
  'GET /_bongsu/v1/bookings/{booking_id}/calendar.ics': object
  'POST /_bongsu/v1/bookings/{booking_id}/confirm': { answer: Placed }
  'GET /_bongsu/v1/bookings/{booking_id}/ticket': { answer: TicketSaid }
  'GET /_bongsu/v1/bookings/{booking_id}/ticket.svg': object
  'GET /_bongsu/v1/channels': { query: 'search' | 'limit' | 'from'; answer: ChannelsSaid }
  'POST /_bongsu/v1/channels': { body: NewChannel; answer: ChannelSaid }
  'GET /_bongsu/v1/channels/blocked': { query: 'limit' | 'from'; answer: ChannelsSaid }
  'GET /_bongsu/v1/channels/consents': { query: 'dir' | 'verify' | 'limit' | 'from'; answer: AuditSaid }
  'GET /_bongsu/v1/channels/consents.csv': object
  'GET /_bongsu/v1/channels/consents/texts': { answer: TextsSaid }
  'GET /_bongsu/v1/channels/following': { query: 'limit' | 'from'; answer: ChannelsSaid }
  'GET /_bongsu/v1/channels/mine': { answer: ChannelsSaid }
  'GET /_bongsu/v1/channels/reports': { query: 'limit' | 'from'; answer: ReportsSaid }
  'GET /_bongsu/v1/channels/templates': { query: 'limit' | 'from'; answer: VersionsSaid }
  'POST /_bongsu/v1/channels/templates/{template_id}/{version}/approve': { answer: VersionSaid }
  'POST /_bongsu/v1/channels/templates/{template_id}/{version}/refuse': { body: Why; answer: VersionSaid }
  'GET /_bongsu/v1/channels/{channel_id}': { answer: ChannelSaid }
  'PUT /_bongsu/v1/channels/{channel_id}': { body: Changes; answer: ChannelSaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/advertising': { answer: ChannelsMine }
  'GET /_bongsu/v1/channels/{channel_id}/audience': { answer: AudienceSaid }
  'GET /_bongsu/v1/channels/{channel_id}/audit': { query: 'dir' | 'verify' | 'limit' | 'from'; answer: AuditSaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/block': { answer: ChannelsMine }
  'PUT /_bongsu/v1/channels/{channel_id}/block': { answer: ChannelsMine }
  'GET /_bongsu/v1/channels/{channel_id}/broadcasts': { query: 'limit' | 'from'; answer: BroadcastsSaid }
  'POST /_bongsu/v1/channels/{channel_id}/broadcasts': { body: NewBroadcast; answer: BroadcastSaid }
  'GET /_bongsu/v1/channels/{channel_id}/broadcasts.csv': object
  'GET /_bongsu/v1/channels/{channel_id}/broadcasts/{broadcast_id}': { answer: BroadcastSaid }
  'POST /_bongsu/v1/channels/{channel_id}/broadcasts/{broadcast_id}/cancel': { answer: BroadcastSaid }
  'POST /_bongsu/v1/channels/{channel_id}/close': { answer: ChannelSaid }
  'POST /_bongsu/v1/channels/{channel_id}/conversation': { answer: Opened }
  'GET /_bongsu/v1/channels/{channel_id}/desk': { answer: SettingsSaid }
  'PUT /_bongsu/v1/channels/{channel_id}/desk': { body: Settle; answer: SettingsSaid }
  'GET /_bongsu/v1/channels/{channel_id}/desk/conversations': { query: 'state' | 'agent' | 'customer' | 'search' | 'limit' | 'from'; answer: ConversationsSaid }
  'GET /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}': { answer: DetailSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/close': { answer: ConversationSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/give': { body: To; answer: ConversationSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/give_back': { answer: ConversationSaid }
  'GET /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/messages': { query: 'limit' | 'from'; answer: MessagesSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/messages': { body: NewMessage; answer: Sent }
  'GET /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/notes': { query: 'limit' | 'from'; answer: NotesSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/notes': { body: NewNote; answer: Note }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/take': { answer: ConversationSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/to_bot': { answer: ConversationSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/to_person': { answer: ConversationSaid }
  'GET /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/transcript': { query: 'lang' | 'internal' }
  'GET /_bongsu/v1/channels/{channel_id}/desk/conversations/{conversation_id}/transcript.csv': { query: 'lang' | 'internal' }
  'GET /_bongsu/v1/channels/{channel_id}/desk/replies': { answer: RepliesSaid }
  'POST /_bongsu/v1/channels/{channel_id}/desk/replies': { body: NewReply; answer: Reply }
  'DELETE /_bongsu/v1/channels/{channel_id}/desk/replies/{reply_id}': object
  'PUT /_bongsu/v1/channels/{channel_id}/desk/replies/{reply_id}': { body: NewReply; answer: Reply }
  'GET /_bongsu/v1/channels/{channel_id}/desk/stats': { query: 'since'; answer: ChannelsStatsSaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/follow': { answer: ChannelsMine }
  'PUT /_bongsu/v1/channels/{channel_id}/follow': { body: Agreement; answer: ChannelsMine }
  'GET /_bongsu/v1/channels/{channel_id}/followers': { query: 'limit' | 'from'; answer: FollowersSaid }
  'GET /_bongsu/v1/channels/{channel_id}/followers.csv': object
  'GET /_bongsu/v1/channels/{channel_id}/followers/{user_id}/consents': { query: 'verify' | 'limit' | 'from'; answer: AuditSaid }
  'GET /_bongsu/v1/channels/{channel_id}/keys': { query: 'limit' | 'from'; answer: KeysSaid }
  'POST /_bongsu/v1/channels/{channel_id}/keys': { body: NewKey; answer: ChannelsKeysKeySaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/keys/{key_id}': { answer: ChannelsEmpty }
  'DELETE /_bongsu/v1/channels/{channel_id}/mark': { answer: ChannelsEmpty }
  'GET /_bongsu/v1/channels/{channel_id}/mark': { answer: MarkSaid }
  'PUT /_bongsu/v1/channels/{channel_id}/mark': { body: Certifying; answer: MarkSaid }
  'GET /_bongsu/v1/channels/{channel_id}/messages/{message_id}': { answer: MessageFate }
  'GET /_bongsu/v1/channels/{channel_id}/posts': { query: 'limit' | 'from'; answer: PostsSaid }
  'POST /_bongsu/v1/channels/{channel_id}/posts': { body: NewPost; answer: PostSaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/posts/{post_id}': { answer: ChannelsEmpty }
  'PUT /_bongsu/v1/channels/{channel_id}/posts/{post_id}': { body: NewPost; answer: PostSaid }
  'POST /_bongsu/v1/channels/{channel_id}/report': { body: Complaining; answer: ChannelsEmpty }
  'GET /_bongsu/v1/channels/{channel_id}/staff': { answer: StaffSaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/staff/{user_id}': { answer: StaffSaid }
  'PUT /_bongsu/v1/channels/{channel_id}/staff/{user_id}': { body: ChannelsAppointment; answer: StaffSaid }
  'GET /_bongsu/v1/channels/{channel_id}/templates': { query: 'limit' | 'from'; answer: VersionsSaid }
  'POST /_bongsu/v1/channels/{channel_id}/templates': { body: NewTemplate; answer: VersionSaid }
  'GET /_bongsu/v1/channels/{channel_id}/templates/{template_id}': { answer: VersionsSaid }
  'PUT /_bongsu/v1/channels/{channel_id}/templates/{template_id}': { body: NewTemplate; answer: VersionSaid }
  'POST /_bongsu/v1/channels/{channel_id}/templates/{template_id}/messages': { body: Sending; answer: SentSaid }
  'POST /_bongsu/v1/channels/{channel_id}/templates/{template_id}/retire': { answer: VersionSaid }
  'POST /_bongsu/v1/channels/{channel_id}/templates/{template_id}/submit': { answer: VersionSaid }
  'POST /_bongsu/v1/channels/{channel_id}/templates/{template_id}/withdraw': { answer: VersionSaid }
  'GET /_bongsu/v1/channels/{channel_id}/webhooks': { query: 'limit' | 'from'; answer: EndpointsSaid }
  'POST /_bongsu/v1/channels/{channel_id}/webhooks': { body: NewEndpoint; answer: EndpointSaid }
  'DELETE /_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}': { answer: ChannelsEmpty }
  'GET /_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}': { answer: EndpointSaid }
  'PUT /_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}': { body: NewEndpoint; answer: EndpointSaid }
  'POST /_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}/enable': { answer: EndpointSaid }
  'POST /_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}/ping': { answer: Pinged }
  'POST /_bongsu/v1/channels/{channel_id}/webhooks/{endpoint_id}/rotate': { body: Rotation; answer: EndpointSaid }
}
