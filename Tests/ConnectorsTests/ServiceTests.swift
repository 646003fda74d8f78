import Connectors
import Ledger
import Synchronization
import Testing

/// Time that passes when somebody waits, and only then.
final class FakeTime: Sendable {
    private let state = Mutex((now: Duration.zero, waits: [Duration]()))

    var waits: [Duration] { state.withLock { $0.waits } }

    func pace(isOff: Bool = false) -> Pace {
        var pace = Pace(isOff: isOff)
        pace.now = { self.state.withLock { $0.now } }
        pace.sleep = { wait in
            try Task.checkCancellation()
            self.state.withLock {
                $0.now += wait
                $0.waits.append(wait)
            }
        }
        return pace
    }
}

/// What a service does to one request after the other; the last goes on for ever.
final class Script: Sendable {
    enum Act: Sendable {
        case say(Int, String = "{}", retryAfter: String? = nil)
        case fail(TransportFault)
    }
    private let acts: [Act]
    private let seen = Mutex<[HTTPRequest]>([])

    init(_ acts: [Act]) { self.acts = acts }

    var requests: [HTTPRequest] { seen.withLock { $0 } }

    func answer(_ request: HTTPRequest) throws -> HTTPResponse {
        let number = seen.withLock {
            $0.append(request)
            return $0.count - 1
        }
        switch acts[min(number, acts.count - 1)] {
        case .fail(let fault): throw fault
        case .say(let status, let body, let retryAfter):
            return HTTPResponse(
                status: status, headers: retryAfter.map { [("retry-after", $0)] } ?? [],
                body: Array(body.utf8))
        }
    }
}

let noon: Milliseconds = 1_795_348_800_000
let publicBase = "https://api.spotify.com/v1"
let loopbackBase = "http://127.0.0.1:9/v1"

func spotify(
    _ script: Script, base: String = publicBase, time: FakeTime = FakeTime(), isOff: Bool = false,
    limits: [ServiceLimit] = [], token: Service.TokenSource? = nil, trace: Service.Trace? = nil
) -> Service {
    Service(
        "spotify", title: "Spotify", base: base, manner: SpotifyClient.manner,
        over: { try script.answer($0) }, clock: Clock(fixedAt: noon),
        pace: time.pace(isOff: isOff), limits: limits, token: token, trace: trace)
}

func failure<R>(_ body: () async throws -> R) async throws -> ServiceError? {
    do {
        _ = try await body()
        return nil
    } catch let error as ServiceError { return error }
}

@Suite("The policy for calls of services")
struct ServiceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var fault: String
        var acts: [Script.Act]
        var repeats = HTTPRequest.Repeat.safely
        var isOff = false
        var sent: Int
        var end: ServiceError.Code?
        /// The seconds waited for, jitter taken off; the spacing of 0.25 s is not counted.
        var waits: [Double] = []
        var until: Milliseconds?
        var testDescription: String { fault }
    }

    private static let page = Script.Act.say(200, "[1]")
    private static let quota = #"{"error":{"status":429,"message":"x","reason":"QUOTA_EXCEEDED"}}"#

    static let cases = [
        Case(fault: "none", acts: [page], sent: 1),
        Case(fault: "5xx once", acts: [.say(502, "Bad gateway."), page], sent: 2, waits: [1]),
        Case(
            fault: "5xx for ever", acts: [.say(500)], sent: 5, end: .unavailable,
            waits: [1, 2, 4, 8]),
        Case(
            fault: "5xx for ever, pace off", acts: [.say(500)], isOff: true, sent: 5,
            end: .unavailable, waits: [0.05, 0.1, 0.2, 0.4]),
        Case(
            fault: "503 with a long Retry-After", acts: [.say(503, retryAfter: "900")], sent: 1,
            end: .unavailable),
        Case(
            fault: "5xx to a write", acts: [.say(503), page], repeats: .afterVerifying, sent: 1,
            end: .uncertain),
        Case(fault: "lost answer", acts: [.fail(.lost("cut")), page], sent: 2, waits: [1]),
        Case(
            fault: "lost answer to a write", acts: [.fail(.lost("cut")), page],
            repeats: .afterVerifying, sent: 1, end: .uncertain),
        Case(
            fault: "write that was never sent", acts: [.fail(.notSent("no route")), page],
            repeats: .afterVerifying, sent: 2, waits: [1]),
        Case(
            fault: "garbled answer to a write", acts: [.say(201, "{\"snapshot_"), page],
            repeats: .afterVerifying, sent: 1, end: .uncertain),
        Case(
            fault: "too large an answer to a write", acts: [.fail(.unusable("32 MB"))],
            repeats: .afterVerifying, sent: 1, end: .uncertain),
        Case(fault: "too large", acts: [.fail(.unusable("32 MB"))], sent: 1, end: .malformed),
        Case(fault: "garbled once", acts: [.say(200, "{"), page], sent: 2, waits: [1]),
        Case(
            fault: "empty for ever", acts: [.say(200, "")], sent: 3, end: .malformed, waits: [1, 1]),
        Case(fault: "no certificate", acts: [.fail(.refused("x"))], sent: 1, end: .configuration),
        Case(fault: "429, short", acts: [.say(429, retryAfter: "7"), page], sent: 2, waits: [7]),
        Case(
            fault: "429, a date",
            acts: [.say(429, retryAfter: "Sun, 22 Nov 2026 12:00:09 GMT"), page],
            sent: 2, waits: [9]),
        Case(
            fault: "429 to a write", acts: [.say(429, retryAfter: "0"), page],
            repeats: .afterVerifying, sent: 2, waits: [1]),
        Case(
            fault: "429, long", acts: [.say(429, retryAfter: "3600")], sent: 1, end: .limited,
            until: noon + 3_600_000),
        Case(
            fault: "429, short for ever", acts: [.say(429, retryAfter: "2")], sent: 9,
            end: .limited, waits: [2, 2, 2, 2, 2, 2, 2, 2], until: noon + 2000),
        Case(
            fault: "429 that says nothing", acts: [.say(429)], sent: 4, end: .limited,
            waits: [30, 60, 120], until: noon + 240_000),
        Case(
            fault: "429 that says nothing, pace off", acts: [.say(429)], isOff: true, sent: 4,
            end: .limited, waits: [1, 2, 4], until: noon + 240_000),
        Case(
            fault: "quota", acts: [.say(429, quota, retryAfter: "30")], sent: 1, end: .limited,
            until: noon + 30_000),
        Case(
            fault: "quota that says nothing", acts: [.say(429, quota)], sent: 1, end: .limited,
            until: noon + 3_600_000),
        Case(fault: "404", acts: [.say(404)], sent: 1, end: .notFound),
        Case(fault: "403", acts: [.say(403)], sent: 1, end: .notAllowed),
        Case(fault: "400", acts: [.say(400)], sent: 1, end: .refused),
        Case(fault: "302", acts: [.say(302)], sent: 1, end: .refused),
        Case(fault: "401 without a log-in", acts: [.say(401)], sent: 1, end: .notAllowed),
    ]

    @Test("What is sent, waited for and thrown", arguments: cases)
    func table(row: Case) async throws {
        let script = Script(row.acts)
        let time = FakeTime()
        let base = row.isOff ? loopbackBase : publicBase
        let service = spotify(script, base: base, time: time, isOff: row.isOff)
        let method = row.repeats == .safely ? "GET" : "POST"

        let error = try await failure {
            try await service.json(HTTPRequest(method, base + "/me", repeats: row.repeats))
        }

        #expect(error?.code == row.end)
        #expect(script.requests.count == row.sent)
        #expect(error?.untilMS == row.until)
        let waits = time.waits.filter { $0 != .milliseconds(250) }.map { $0 / .seconds(1) }
        #expect(waits.count == row.waits.count, "\(waits)")
        for (wait, wanted) in zip(waits, row.waits) {
            #expect(wait >= wanted * 0.74 && wait <= wanted * 1.26, "\(waits)")
        }
    }

    @Test("A log-in that is rejected is renewed once, for writes too", arguments: [true, false])
    func renewal(helps: Bool) async throws {
        let script = Script(helps ? [.say(401), Self.page] : [.say(401)])
        let service = spotify(script, token: { $0 == nil ? "old" : "new, not \($0 ?? "")" })

        let error = try await failure {
            try await service.json(
                HTTPRequest("POST", publicBase + "/me", repeats: .afterVerifying))
        }

        #expect(error?.code == (helps ? nil : .notAllowed))
        let tokens = script.requests.map { $0.headers.first { $0.name == "authorization" }?.value }
        #expect(tokens == ["Bearer old", "Bearer new, not old"])
    }

    @Test("Requests are spaced; not to a loopback address with the pace off")
    func spacing() async throws {
        for (base, isOff, waits) in [
            (publicBase, false, 4), (publicBase, true, 4), (loopbackBase, false, 4),
            (loopbackBase, true, 0),
        ] {
            let time = FakeTime()
            let service = spotify(Script([Self.page]), base: base, time: time, isOff: isOff)
            for _ in 0..<5 { _ = try await service.json(HTTPRequest("GET", base + "/me")) }
            #expect(time.waits == Array(repeating: .milliseconds(250), count: waits))
        }
    }

    @Test("At most two requests are on their way, and all arrive")
    func inFlight() async throws {
        let counts = Mutex((now: 0, most: 0, all: 0))
        let service = Service(
            "spotify", title: "Spotify", base: loopbackBase, manner: SpotifyClient.manner,
            over: { _ in
                counts.withLock {
                    $0.now += 1
                    $0.most = max($0.most, $0.now)
                }
                for _ in 0..<50 { await Task.yield() }
                counts.withLock {
                    $0.now -= 1
                    $0.all += 1
                }
                return HTTPResponse(status: 200, body: Array("[]".utf8))
            }, clock: Clock(), pace: Pace(isOff: true))

        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<12 {
                group.addTask { _ = try await service.json(HTTPRequest("GET", loopbackBase)) }
            }
            try await group.waitForAll()
        }

        #expect(counts.withLock { $0.most } == 2)
        #expect(counts.withLock { $0.all } == 12)
    }

    // MARK: Limits that are remembered

    @Test(
        "A limit of an earlier run stops a call before it is sent; one of another base or group does not"
    )
    func remembered() async throws {
        func limit(_ base: String, _ group: String?, _ until: Milliseconds) -> [ServiceLimit] {
            [ServiceLimit(service: "spotify", base: base, group: group, untilMS: until)]
        }
        for (limits, stops) in [
            (limit(publicBase, nil, noon + 1), true), (limit(publicBase, nil, noon), false),
            (limit(loopbackBase, nil, noon + 1), false),
            (limit(publicBase, "me/tracks", noon + 1), true),
            (limit(publicBase, "playlists", noon + 1), false),
        ] {
            let script = Script([Self.page])
            let service = spotify(script, limits: limits)
            let error = try await failure {
                try await service.json(HTTPRequest("GET", publicBase + "/me/tracks?limit=50"))
            }
            #expect(error?.code == (stops ? .limited : nil))
            #expect(script.requests.count == (stops ? 0 : 1))
        }
    }

    @Test("A quota closes its group for the rest of the run, and says until when")
    func quotaOfAGroup() async throws {
        let script = Script([.say(429, Self.quota, retryAfter: "75600"), Self.page])
        let service = spotify(script)

        let first = try await failure {
            try await service.json(HTTPRequest("GET", publicBase + "/me/tracks"))
        }
        let second = try await failure {
            try await service.json(HTTPRequest("GET", publicBase + "/me/tracks"))
        }
        _ = try await service.json(HTTPRequest("GET", publicBase + "/playlists/x"))

        #expect(first?.group == "me/tracks")
        #expect(first?.reason == "QUOTA_EXCEEDED")
        #expect(
            first?.message
                == "Spotify asks to wait until 2026-11-23 09:00 UTC with calls of me/tracks")
        #expect(second?.code == .limited)
        #expect(script.requests.count == 2)
    }

    @Test("A trace tells each request and no secret")
    func trace() async throws {
        let lines = Mutex<[String]>([])
        let service = spotify(
            Script([.say(500), Self.page]), token: { _ in "S3CRET" },
            trace: { line, _ in lines.withLock { $0.append(line) } })
        let secrets = [
            "api_key", "api_sig", "sk", "token", "code", "code_verifier", "refresh_token",
        ]
        let query = secrets.map { "\($0)=S3CRET" }.joined(separator: "&")

        _ = try await service.json(
            HTTPRequest(
                "GET", publicBase + "/me?client_id=abc&" + query, body: Array("S3CRET".utf8)))

        let text = lines.withLock { $0.joined(separator: "\n") }
        #expect(!text.contains("S3CRET"))
        #expect(text.contains("GET https://api.spotify.com/v1/me?client_id=abc&api_key=…"))
        #expect(text.contains("500 2 bytes") && text.contains("200 3 bytes"))
        #expect(text.contains("attempt 2") && text.contains("waiting"))
    }
}
