"""A finding of the doctor, and how it is put into words: what was found, why it matters, what to do."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec


class Severity(enum.IntEnum):
    """By what monitoring plugins return: 0 fine (a note), 1 warning, 2 critical, 3 unknown."""

    NOTE = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_RANKS: Final = (Severity.NOTE, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL)  # which of several counts


class Finding(msgspec.Struct, frozen=True):
    """code: of the table below; values: what its texts name."""

    code: str
    severity: Severity
    values: dict[str, str] = {}

    def said(self, language: str) -> tuple[str, str, str]:
        """Found, why, what to do."""
        found, why, to_do = TEXTS[language][self.code]
        return found.format_map(self.values), why.format_map(self.values), to_do.format_map(self.values)


def sorted_by_weight(findings: list[Finding]) -> list[Finding]:
    """What matters most first."""
    return sorted(findings, key=lambda finding: -_RANKS.index(finding.severity))


def exit_code(findings: list[Finding]) -> int:
    """For monitoring: critical counts more than unknown, unknown more than a warning."""
    return int(max((finding.severity for finding in findings), key=_RANKS.index, default=Severity.NOTE))


_Texts = Mapping[str, tuple[str, str, str]]

_EN: Final[_Texts] = {
    "one_site": (
        "Everything stands in one site.",
        "If it burns, everything that was ever written is gone, and nothing answers.",
        "Run it in three sites (bongsu site init), or keep backups in another place (bongsu backup).",
    ),
    "two_sites": (
        "There are two sites: {sites}.",
        "When one is lost, the other cannot know whether it is the one that was cut off. Nobody may take over.",
        "Add a third site. It may be small: it decides, and holds a copy.",
    ),
    "site_silent": (
        "{site} does not answer: {reason}.",
        "The other sites carry everything, and nothing is left to lose.",
        "Look at the site's power, network and workers. See the runbook for a lost site.",
    ),
    "site_refuses": (
        "{site} refuses to tell: status {status}.",
        "Its secret is another one, or it runs a version that knows no doctor. It cannot be checked.",
        "Give all sites the same peer_secret and version.",
    ),
    "one_machine": (
        "{sites} stand on one machine.",
        "They burn together. For a laboratory that is meant; for people it is not.",
        "Put each site on a machine, in a building, of its own.",
    ),
    "quorum_one_place": (
        "{count} of {total} members of {what} stand at {host}.",
        "Without that one place nobody can decide who may write: the whole is as safe as that place.",
        "Spread the members: one in each site.",
    ),
    "clocks_apart": (
        "The clocks of {one} and {other} are {ms} ms apart.",
        "Times of incidents, tokens and certificates are compared across sites.",
        "Run chrony or systemd-timesyncd in every site, and see which clock is wrong.",
    ),
    "versions_differ": (
        "Sites run different versions: {versions}.",
        "Fine while a rollout is under way; a state nobody tested if it stays.",
        "Finish the rollout: the other sites, one after the other.",
    ),
    "settings_differ": (
        "The setting {setting} is not the same in {sites}.",
        "People are treated differently by the site that they happen to reach, and a switch changes the rules.",
        "Give all sites the same value and restart their workers, one site after the other.",
    ),
    "secret_differs": (
        "{setting} is not the same in {sites}.",
        "What works through one site is refused by another, and a switch of sites ends it.",
        "Give all sites the same value and restart their workers, one site after the other.",
    ),
    "sites_differ": (
        "{site} knows the sites {known}; together they are {all}.",
        "It neither watches, nor is helped by, what it does not know.",
        "Name all other sites in its peers.",
    ),
    "feature_one_site": (
        "{feature} is served by {site} alone.",
        "It is lost with that site.",
        "Run the same version in every site.",
    ),
    "disk_full": (
        "The disk of {site} has {free} free of {total} ({share} %).",
        "A full disk stops uploads first and the database next.",
        "Make room, or give it a larger disk.",
    ),
    "database_unsafe": (
        "{setting} is {value}, says {site}.",
        "The database may lose what it acknowledged when the power fails.",
        "Set {setting} to on, and reload.",
    ),
    "commit_unsafe": (
        "synchronous_commit is {value}, says {site}.",
        "What is acknowledged may stand on one disk only, or on none.",
        "Set it to on in the cluster's settings (patronictl edit-config).",
    ),
    "not_synchronous": (
        "synchronous_standby_names is empty, says {site}.",
        "A commit waits for no other site: what is acknowledged burns with the primary.",
        "Set synchronous_mode: quorum and synchronous_mode_strict in Patroni.",
    ),
    "no_checksums": (
        "The database keeps no checksums, says {site}.",
        "A page that the disk has altered is read as if it were right, and copied.",
        "Run pg_checksums --enable on each copy in turn, while it is stopped.",
    ),
    "standby_missing": (
        "{count} of {wanted} copies follow the primary: {names}.",
        "With fewer copies the next loss stops all writing.",
        "See on the missing site why its database does not follow (patronictl list).",
    ),
    "standby_behind": (
        "The copy {name} is {mib} MiB behind.",
        "It takes longer to take over, and does not count for what is acknowledged.",
        "See its disk and the network between the sites.",
    ),
    "standby_not_counted": (
        "No copy counts for a commit: {names}.",
        "A commit waits for a copy that is not there, or for none.",
        "See synchronous_mode in Patroni and the copies' state (patronictl list).",
    ),
    "no_leader": (
        "Patroni names {count} leaders, says {site}.",
        "Nothing can be written without exactly one.",
        "See patronictl list and etcd's health; the runbook tells how to promote by hand.",
    ),
    "member_ill": (
        "Patroni's member {name} is {state}.",
        "It can neither take over nor count for a commit.",
        "See its log; patronictl reinit makes it anew from another copy.",
    ),
    "etcd_few": (
        "etcd has {count} members.",
        "With fewer than three, the loss of one ends every decision.",
        "Add members until there is one in each of three sites.",
    ),
    "etcd_ill": (
        "etcd does not answer well at {urls}, asked from {site}.",
        "{left} of {total} are left; fewer than half end every decision.",
        "See the log of etcd in that site.",
    ),
    "backup_missing": (
        "There is no backup.",
        "Three copies repeat a mistake three times: what somebody deletes is deleted everywhere.",
        "Run bongsu backup daily, to a place outside the sites' databases.",
    ),
    "backup_old": (
        "The newest backup was made {hours} h ago, in {site}.",
        "What came after it cannot be brought back.",
        "See why bongsu backup did not run.",
    ),
    "backup_unproved": (
        "The backups were proved {when}.",
        "A backup that was never restored is a hope.",
        "Run bongsu backup verify.",
    ),
    "certificate_ends": (
        "The certificate {name} ends in {days} days, says {site}.",
        "After that no client and no site trusts this one.",
        "Renew it, and see why that did not happen by itself.",
    ),
    "media_missing": (
        "{count} files are missing in {site}.",
        "They are read from another site meanwhile; until they are back one loss more may be too many.",
        "They are brought by themselves; if the number does not fall, see the site's disk and log.",
    ),
    "capacity": (
        "At the peak, {share} % of what {left} of {total} sites can do was used ({what}).",
        "When a site is lost the others must carry its people, too: waiting times would grow out of bounds.",
        "Add workers or larger machines before the next peak.",
    ),
    "capacity_fits": (
        "At the peak, {share} % of what {left} of {total} sites can do was used ({what}, for {hours} h).",
        "Any one site may be lost at such a peak.",
        "Nothing.",
    ),
    "capacity_unknown": (
        "It is not known yet whether the other sites carry the peak without one: {sites} measured nothing.",
        "The peak is measured from the start of a worker on, the first time after a minute.",
        "Ask again later.",
    ),
    "record_altered": (
        "The incident record is not what {site} noted of it.",
        "Somebody has changed or removed entries, or the database was restored to an earlier time.",
        "Run bongsu incident verify, and find out who could.",
    ),
    "not_named": (
        "{site} was not told where its {what} is.",
        "Who leads, who follows and who decides cannot be checked from there.",
        "Name it in the setting {what}.",
    ),
    "not_found_out": (
        "{what} of {site} could not be found out: {reason}.",
        "What is not known is not known to be well.",
        "See whether it runs, and whether this site may ask it.",
    ),
}

_KO: Final[_Texts] = {
    "one_site": (
        "모든 것이 센터 하나에 있습니다.",
        "그곳이 불타면 지금까지 적은 것이 모두 사라지고 아무것도 응답하지 않습니다.",
        "세 센터에서 운영하거나(bongsu site init), 백업을 다른 곳에 두세요(bongsu backup).",
    ),
    "two_sites": (
        "센터가 둘입니다: {sites}.",
        "하나를 잃으면 남은 하나는 자기가 끊긴 쪽인지 알 수 없어, 아무도 이어받을 수 없습니다.",
        "셋째 센터를 더하세요. 작아도 됩니다. 결정에 참여하고 사본을 가집니다.",
    ),
    "site_silent": (
        "{site} 센터가 응답하지 않습니다: {reason}.",
        "다른 센터가 모두 떠맡고 있어 더 잃을 여유가 없습니다.",
        "전원, 네트워크, 작업 프로세스를 살피고, 센터를 잃었을 때의 절차서를 보세요.",
    ),
    "site_refuses": (
        "{site} 센터가 알려 주지 않습니다: 상태 {status}.",
        "비밀값이 다르거나, 이 검사를 모르는 판입니다. 그래서 검사할 수 없습니다.",
        "모든 센터에 같은 peer_secret과 같은 판을 두세요.",
    ),
    "one_machine": (
        "{sites} 센터가 한 컴퓨터에 있습니다.",
        "함께 불탑니다. 실험실이라면 뜻한 바이지만, 사람들이 쓰는 곳이라면 아닙니다.",
        "센터마다 다른 건물의 다른 컴퓨터에 두세요.",
    ),
    "quorum_one_place": (
        "{what} 구성원 {total} 가운데 {count}이(가) {host}에 있습니다.",
        "그 한 곳이 없으면 누가 쓸 수 있는지 아무도 정하지 못합니다. 전체가 그 한 곳만큼만 안전합니다.",
        "센터마다 하나씩 나누어 두세요.",
    ),
    "clocks_apart": (
        "{one} 센터와 {other} 센터의 시계가 {ms}ms 다릅니다.",
        "장애 시각, 토큰, 인증서를 센터끼리 견주어 봅니다.",
        "모든 센터에서 chrony나 systemd-timesyncd를 돌리고, 어느 시계가 틀렸는지 보세요.",
    ),
    "versions_differ": (
        "센터마다 판이 다릅니다: {versions}.",
        "올리는 동안은 괜찮지만, 그대로 두면 아무도 시험하지 않은 상태입니다.",
        "나머지 센터도 하나씩 차례로 올리세요.",
    ),
    "settings_differ": (
        "설정 {setting}이(가) {sites} 센터에서 서로 다릅니다.",
        "어느 센터에 닿느냐에 따라 다르게 대하고, 전환하면 규칙이 바뀝니다.",
        "모든 센터에 같은 값을 주고, 한 센터씩 다시 시작하세요.",
    ),
    "secret_differs": (
        "{setting}이(가) {sites} 센터에서 서로 다릅니다.",
        "한 센터에서 되는 것이 다른 센터에서는 거절되고, 전환하면 끊깁니다.",
        "모든 센터에 같은 값을 주고, 한 센터씩 다시 시작하세요.",
    ),
    "sites_differ": (
        "{site} 센터는 {known}을(를) 압니다. 모두 합치면 {all}입니다.",
        "모르는 센터는 지켜보지도 못하고 도움받지도 못합니다.",
        "그 센터의 peers에 다른 센터를 모두 적으세요.",
    ),
    "feature_one_site": (
        "{feature}은(는) {site} 센터에만 있습니다.",
        "그 센터와 함께 사라집니다.",
        "모든 센터에서 같은 판을 쓰세요.",
    ),
    "disk_full": (
        "{site} 센터 디스크에 {total} 가운데 {free} 남았습니다({share}%).",
        "디스크가 차면 올리기가 먼저 멈추고, 다음은 데이터베이스입니다.",
        "자리를 비우거나 더 큰 디스크를 쓰세요.",
    ),
    "database_unsafe": (
        "{site} 센터가 보기에 {setting}이(가) {value}입니다.",
        "전원이 나가면 받았다고 한 것을 잃을 수 있습니다.",
        "{setting}을(를) on으로 하고 다시 읽히세요.",
    ),
    "commit_unsafe": (
        "{site} 센터가 보기에 synchronous_commit이 {value}입니다.",
        "받았다고 한 것이 디스크 하나에만 있거나 아무 데도 없을 수 있습니다.",
        "클러스터 설정에서 on으로 바꾸세요(patronictl edit-config).",
    ),
    "not_synchronous": (
        "{site} 센터가 보기에 synchronous_standby_names가 비어 있습니다.",
        "커밋이 다른 센터를 기다리지 않아, 받았다고 한 것이 주 데이터베이스와 함께 불탑니다.",
        "Patroni에서 synchronous_mode: quorum과 synchronous_mode_strict를 켜세요.",
    ),
    "no_checksums": (
        "{site} 센터가 보기에 데이터베이스에 체크섬이 없습니다.",
        "디스크가 바꾼 것을 옳은 것으로 읽고 베낍니다.",
        "사본마다 차례로 멈추고 pg_checksums --enable을 실행하세요.",
    ),
    "standby_missing": (
        "사본 {wanted} 가운데 {count}이(가) 따라가고 있습니다: {names}.",
        "사본이 모자라면 다음 하나를 잃을 때 쓰기가 모두 멈춥니다.",
        "빠진 센터에서 왜 따라가지 않는지 보세요(patronictl list).",
    ),
    "standby_behind": (
        "사본 {name}이(가) {mib} MiB 뒤처져 있습니다.",
        "이어받는 데 오래 걸리고, 받았다고 할 때 셈에 들지 않습니다.",
        "그 디스크와 센터 사이 네트워크를 보세요.",
    ),
    "standby_not_counted": (
        "커밋에서 세는 사본이 없습니다: {names}.",
        "커밋이 없는 사본을 기다리거나, 아무도 기다리지 않습니다.",
        "Patroni의 synchronous_mode와 사본 상태를 보세요(patronictl list).",
    ),
    "no_leader": (
        "{site} 센터가 보기에 Patroni의 리더가 {count}입니다.",
        "리더가 꼭 하나여야 쓸 수 있습니다.",
        "patronictl list와 etcd 상태를 보세요. 손으로 올리는 법은 절차서에 있습니다.",
    ),
    "member_ill": (
        "Patroni 구성원 {name}의 상태가 {state}입니다.",
        "이어받을 수도, 커밋에서 셈에 들 수도 없습니다.",
        "로그를 보세요. patronictl reinit으로 다른 사본에서 새로 만들 수 있습니다.",
    ),
    "etcd_few": (
        "etcd 구성원이 {count}입니다.",
        "셋보다 적으면 하나만 잃어도 아무것도 정하지 못합니다.",
        "세 센터에 하나씩 있도록 더하세요.",
    ),
    "etcd_ill": (
        "{site} 센터에서 물어보니 {urls}의 etcd가 건강하지 않습니다.",
        "{total} 가운데 {left} 남았습니다. 절반이 안 되면 아무것도 정하지 못합니다.",
        "그 센터의 etcd 로그를 보세요.",
    ),
    "backup_missing": (
        "백업이 없습니다.",
        "사본 셋은 실수도 세 번 되풀이합니다. 누가 지우면 모든 곳에서 지워집니다.",
        "bongsu backup을 날마다, 데이터베이스와 다른 곳으로 하세요.",
    ),
    "backup_old": (
        "가장 새로운 백업이 {hours}시간 전 것입니다({site} 센터).",
        "그 뒤의 것은 되살릴 수 없습니다.",
        "bongsu backup이 왜 돌지 않았는지 보세요.",
    ),
    "backup_unproved": (
        "백업을 확인한 때: {when}.",
        "되살려 본 적 없는 백업은 바람일 뿐입니다.",
        "bongsu backup verify를 실행하세요.",
    ),
    "certificate_ends": (
        "{site} 센터가 보기에 인증서 {name}이(가) {days}일 뒤 끝납니다.",
        "그 뒤로는 어느 앱도 센터도 이 센터를 믿지 않습니다.",
        "새로 받고, 왜 저절로 되지 않았는지 보세요.",
    ),
    "media_missing": (
        "{site} 센터에 파일 {count}개가 없습니다.",
        "그동안은 다른 센터에서 읽지만, 돌아올 때까지는 하나를 더 잃으면 안 될 수 있습니다.",
        "저절로 가져옵니다. 수가 줄지 않으면 디스크와 로그를 보세요.",
    ),
    "capacity": (
        "가장 바쁠 때 센터 {total} 가운데 {left}이(가) 할 수 있는 일의 {share}%를 썼습니다({what}).",
        "센터 하나를 잃으면 나머지가 그 사람들까지 맡아야 하는데, 기다림이 끝없이 길어집니다.",
        "다음에 바빠지기 전에 작업 프로세스를 늘리거나 더 큰 컴퓨터를 쓰세요.",
    ),
    "capacity_fits": (
        "가장 바쁠 때 센터 {total} 가운데 {left}이(가) 할 수 있는 일의 {share}%를 썼습니다({what}, {hours}시간 동안).",
        "그만큼 바쁠 때 어느 센터 하나를 잃어도 됩니다.",
        "할 일이 없습니다.",
    ),
    "capacity_unknown": (
        "센터 하나 없이 가장 바쁜 때를 견디는지 아직 모릅니다: {sites} 센터가 잰 것이 없습니다.",
        "작업 프로세스가 시작한 때부터 재며, 첫 값은 1분 뒤에 나옵니다.",
        "나중에 다시 물어보세요.",
    ),
    "record_altered": (
        "장애 기록이 {site} 센터가 적어 둔 것과 다릅니다.",
        "누군가 고치거나 지웠거나, 데이터베이스를 이전 시점으로 되돌렸습니다.",
        "bongsu incident verify를 실행하고, 누가 할 수 있었는지 알아보세요.",
    ),
    "not_named": (
        "{site} 센터는 자기 {what}이(가) 어디 있는지 듣지 못했습니다.",
        "누가 이끌고 따르고 정하는지 거기서는 검사할 수 없습니다.",
        "설정 {what}에 적으세요.",
    ),
    "not_found_out": (
        "{site} 센터의 {what}을(를) 알아내지 못했습니다: {reason}.",
        "모르는 것은 괜찮은 것이 아닙니다.",
        "돌고 있는지, 이 센터가 물어볼 수 있는지 보세요.",
    ),
}

TEXTS: Final[Mapping[str, _Texts]] = {"en": _EN, "ko": _KO}
