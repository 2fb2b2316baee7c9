"""The report's words, in English and Korean."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Drill report", "모의훈련 보고서"),
    "kept": ("The promise was kept", "약속을 지켰습니다"),
    "broken": ("The promise was broken", "약속이 깨졌습니다"),
    "lead": (
        "{acknowledged} messages and {photos} photos were acknowledged while sites were hit {faults} times."
        " {lost} were lost, {doubled} doubled; {violations} violations were found in all.",
        "사이트에 장애를 {faults}번 일으키는 동안 메시지 {acknowledged}건과 사진 {photos}장을 접수했습니다."
        " 유실 {lost}건, 중복 {doubled}건이며, 찾아낸 위반은 모두 {violations}건입니다.",
    ),
    "promises": ("What is promised, and what was found", "약속과 결과"),
    "promise": ("promise", "약속"),
    "limit": ("limit", "한도"),
    "measured": ("measured", "측정값"),
    "result": ("result", "결과"),
    "ok": ("kept", "지킴"),
    "not_ok": ("broken", "깨짐"),
    "unknown": ("not tested", "시험하지 않음"),
    # --- the promises ---
    "lost": ("acknowledged messages lost", "접수 후 유실된 메시지"),
    "doubled": ("messages doubled", "중복된 메시지"),
    "order": ("rooms in which two readers or sites differ in order", "읽는 이나 사이트마다 순서가 다른 대화방"),
    "fold": (
        "differences between following along and a new device (gaps, state)",
        "계속 따라 읽은 기기와 새 기기의 차이(빈틈, 방 상태)",
    ),
    "foreign": ("messages nobody sent, or under a wrong id", "보낸 적 없는 메시지, 또는 잘못된 ID"),
    "two_leaders": ("events with two places in the stream (two leaders)", "스트림에서 위치가 둘인 이벤트(두 리더)"),
    "photos": (
        "acknowledged photos missing or altered, at any site",
        "어느 사이트에서든 없어지거나 바뀐 사진(접수된 것)",
    ),
    "misleading": (
        "answers that would make a good client give up (401, 403, 404 …)",
        "정상 클라이언트를 포기하게 만드는 응답(401, 403, 404 등)",
    ),
    "unanswered": (
        "sends still without an answer at the end (0: none, 1: some)",
        "끝까지 응답이 없는 전송(0: 없음, 1: 있음)",
    ),
    "write_leader_median": (
        "write outage after the loss of the leader's site, median",
        "리더 사이트를 잃은 뒤 쓰기 중단, 중앙값",
    ),
    "write_leader_worst": ("the same, worst", "위와 같음, 최악값"),
    "write_other_worst": (
        "write outage after the loss of another site, worst",
        "다른 사이트를 잃은 뒤 쓰기 중단, 최악값",
    ),
    "read_worst": (
        "reads and sync stopped at a site that was not hit, worst",
        "장애가 없는 사이트에서 읽기·동기화 중단, 최악값",
    ),
    "rejoined": ("sites that did not come back by themselves", "스스로 돌아오지 못한 사이트"),
    # --- tables ---
    "figures": ("What people felt, for each kind of fault", "장애 종류별로 이용자가 겪은 것"),
    "figures_note": (
        "Seconds, median / worst. Colours as in the plots.",
        "단위 초, 중앙값 / 최악값. 색은 그래프와 같습니다.",
    ),
    "scene": ("fault", "장애"),
    "count": ("times", "횟수"),
    "write": ("no write anywhere", "모든 쓰기 중단"),
    "write_sites": ("no write at a site not hit", "장애 없는 사이트의 쓰기 중단"),
    "longest_send": ("longest wait of one message", "메시지 하나의 최장 대기"),
    "read": ("no read at a site not hit", "장애 없는 사이트의 읽기 중단"),
    "rejoin": ("whole again after the repair", "복구 후 정상화까지"),
    "run": ("The whole run", "전체 경과"),
    "run_note": (
        "Acknowledged messages a second. Shaded: from a fault's begin to its repair.",
        "초당 접수 메시지 수. 색칠한 구간은 장애 시작부터 복구 조치까지입니다.",
    ),
    "around": ("Around each kind of fault", "장애 종류별 전후"),
    "around_note": (
        "0 is the fault's begin, the shading ends with the repair. Above: acknowledged messages a second. Below: the"
        " longest wait from the first try of a message to its acknowledgement. All faults of the kind lie over each"
        " other; the one with the longest outage is drawn strong.",
        "0은 장애 시작, 색칠한 구간의 끝은 복구 조치입니다. 위: 초당 접수 메시지 수. 아래: 첫 시도부터 접수까지 가장"
        " 오래 걸린 시간. 같은 종류의 장애를 겹쳐 그렸고, 중단이 가장 길었던 것을 진하게 표시했습니다.",
    ),
    "faults": ("Every fault", "모든 장애"),
    "number": ("no.", "번호"),
    "at": ("at", "시각"),
    "site": ("site", "사이트"),
    "leader": ("leader", "리더"),
    "never": ("never", "돌아오지 못함"),
    "violations": ("Violations", "위반 내용"),
    "violations_note": (
        "{shown} of {count}: the first of each kind.",
        "전체 {count}건 중 {shown}건: 종류별로 처음 것들.",
    ),
    "kind": ("kind", "종류"),
    "what": ("what", "내용"),
    "leader's site": ("the leader's site is lost", "리더 사이트 상실"),
    "another site": ("another site is lost", "다른 사이트 상실"),
    "a part of a site": ("a part of a site fails", "사이트 일부 고장"),
    "everything": ("everything is lost", "전체 상실"),
    # --- how ---
    "method": ("How it was done", "방법"),
    "m_clients": (
        "{clients} clients in {rooms} rooms: light writers and readers, and real Matrix clients (matrix-nio) that send"
        " texts and photos. Each knows the addresses of all sites. On a refusal it asks the next site at once; after"
        " two seconds of silence it hangs up and repeats the same call, with the same transaction id, elsewhere, for"
        " ever."
        " One writer in eight hangs up in the middle of its sends all the time, and mostly comes back with the same"
        " transaction id.",
        "대화방 {rooms}개에 클라이언트 {clients}개: 가벼운 쓰기·읽기 프로그램과, 글과 사진을 보내는 실제 Matrix"
        " 클라이언트(matrix-nio)입니다. 모두 세 사이트의 주소를 알고, 거절당하면 곧바로 다음 사이트로, 2초 동안 응답이"
        " 없으면 끊고 같은 트랜잭션 ID로 다른 사이트에 계속 다시 보냅니다. 쓰기 프로그램 여덟 중 하나는 전송 도중에"
        " 일부러 끊고, 대부분 같은 트랜잭션 ID로 돌아옵니다.",
    ),
    "m_record": (
        "Every try was recorded: begin, end, site, transaction, outcome; {tries} tries in all. Readers wrote down all"
        " that they were shown, in its order.",
        "모든 시도를 기록했습니다(시작, 끝, 사이트, 트랜잭션, 결과). 시도는 모두 {tries}번입니다. 읽는 쪽은 받은 내용을"
        " 순서대로 모두 적었습니다.",
    ),
    "m_check": (
        "Afterwards new devices read every room from its begin at every site, asking that site alone. The record was"
        " compared with what each reader and each site shows: what was acknowledged must be there once, at the same"
        " place for all. Each photo was fetched from each site and its SHA-256 compared.",
        "끝난 뒤 새 기기가 사이트마다 그 사이트에만 물어 모든 대화방을 처음부터 읽었습니다. 접수된 것은 모두에게 같은"
        " 자리에 한 번씩 있어야 합니다. 사진은 사이트마다 한 장씩 받아 SHA-256을 비교했습니다.",
    ),
    "m_outage": (
        "A write outage is the longest time without any acknowledged write, from before the fault until the sites are"
        " whole again; a read outage is the longest time in which a site that was not hit answered none of about twenty"
        " looks a second. A single message may wait longer than the outage, because its client first waits two seconds"
        " in silence.",
        "쓰기 중단은 장애 직전부터 정상화까지 접수된 쓰기가 하나도 없던 가장 긴 시간입니다. 읽기 중단은 장애가 없는"
        " 사이트가 초당 약 20번의 조회에 한 번도 답하지 못한 가장 긴 시간입니다. 클라이언트가 먼저 2초를 기다리므로"
        " 메시지 하나는 중단 시간보다 오래 기다릴 수 있습니다.",
    ),
    "left_out": (
        "Not played, because these sites cannot be hurt so: {names}.",
        "이 환경에서 일으킬 수 없어 제외한 장애: {names}.",
    ),
    "limits": ("What this does not prove", "이 훈련으로 증명되지 않는 것"),
    "l_cache": (
        "Power off means here: every process of a site is killed at once (SIGKILL) and its network is gone. The page"
        " cache of the machine survives that. That an acknowledged write was flushed to disk is proven separately"
        " (tests/durability/test_fsync.py).",
        "여기서 전원 차단은 사이트의 모든 프로세스를 한꺼번에 강제 종료(SIGKILL)하고 네트워크를 끊는 것입니다. 이때"
        " 운영체제의 페이지 캐시는 남습니다. 접수된 쓰기가 디스크까지 기록되었는지는 따로 증명합니다"
        "(tests/durability/test_fsync.py).",
    ),
    "l_machine": (
        "The sites share one machine, its disk and its clock. Distances are simulated, and the load took part of the"
        " processor.",
        "세 사이트는 한 대의 컴퓨터에서 디스크와 시계를 함께 씁니다. 거리는 흉내 낸 것이고, 부하 프로그램도 같은"
        " 프로세서를 썼습니다.",
    ),
    "l_count": (
        "A median of a few faults is a weak figure: see how often each fault was played.",
        "적은 횟수의 중앙값은 근거가 약합니다. 장애별 횟수를 함께 보십시오.",
    ),
    "setting": ("What was run", "실행 환경"),
    "machine": ("machine", "컴퓨터"),
    "versions": ("versions", "버전"),
    "configuration": ("configuration", "설정"),
    "configuration_note": ("Secrets are removed.", "비밀 값은 뺐습니다."),
    "answers": ("answers to every try", "모든 시도의 응답"),
    "begun": ("begun", "시작"),
    "took": ("took", "걸린 시간"),
    "load": ("of it under load", "그중 부하 시간"),
    "seed": ("seed", "시드"),
    "repeat": ("The same drill again", "같은 훈련 다시 하기"),
}

SCENES: Final[dict[str, tuple[str, str]]] = {
    "power-off-leader": ("power off, leader's site", "리더 사이트 전원 차단"),
    "power-off-standby": ("power off, another site", "다른 사이트 전원 차단"),
    "cut-leader": ("network cut, leader's site", "리더 사이트 네트워크 단절"),
    "cut-standby": ("network cut, another site", "다른 사이트 네트워크 단절"),
    "cut-leader-out": ("cut one way: the leader's site cannot send", "리더 사이트 송신만 단절"),
    "cut-leader-in": ("cut one way: the leader's site cannot hear", "리더 사이트 수신만 단절"),
    "cut-leader-from-sites": (
        "leader cut from other sites, clients reach it",
        "리더를 다른 사이트에서만 단절(이용자는 접속)",
    ),
    "freeze-leader": ("freeze and thaw, leader's site", "리더 사이트 멈춤과 풀림"),
    "freeze-standby": ("freeze and thaw, another site", "다른 사이트 멈춤과 풀림"),
    "freeze-patroni": ("Patroni frozen, leader", "리더의 Patroni 멈춤"),
    "kill-postgres": ("PostgreSQL killed, leader", "리더의 PostgreSQL 강제 종료"),
    "kill-worker": ("Bongsu killed, leader's site", "리더 사이트의 봉수 강제 종료"),
    "kill-etcd": ("etcd killed, leader's site", "리더 사이트의 etcd 강제 종료"),
    "slow-links": ("delay and loss around the leader", "리더 주변 지연과 손실"),
    "disk-full": ("disk full, leader", "리더 디스크 가득 참"),
    "power-off-all": ("power off, all sites", "모든 사이트 전원 차단"),
    "old-leader-returns": ("old leader returns with commits of its own", "옛 리더가 미복제 기록을 갖고 복귀"),
    "rolling-restart": ("rolling restart, leader last", "순차 재시작, 리더는 마지막"),
}
