import Connectors
import Foundation
import JSONText
import Ledger
import TestSupport
import Testing

/// A service whose answers a test gives, without spacing.
private func scripted(
    _ name: String, _ manner: ServiceManner, time: FakeTime = FakeTime(), isOff: Bool = true,
    _ answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse
) -> Service {
    Service(
        name, title: name, base: loopbackBase, manner: manner, over: { answer($0) },
        clock: Clock(fixedAt: noon), pace: time.pace(isOff: isOff))
}

private func response(_ status: Int, _ body: String, _ headers: [(String, String)] = [])
    -> HTTPResponse
{
    HTTPResponse(
        status: status, headers: headers.map { (name: $0.0, value: $0.1) }, body: Array(body.utf8))
}

@Suite("The client of MusicBrainz")
struct MusicBrainzClientTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let status: Int
        let body: String
        var end: ServiceError.Code?
        var testDescription: String { "\(status) \(body)" }
    }

    @Test(
        "What answers mean: that there is none is an answer, too many and too busy are not",
        arguments: [
            Case(status: 200, body: "{}"),
            Case(status: 404, body: #"{"error":"Not Found","help":"x"}"#),
            Case(status: 404, body: "<html>", end: .notFound),
            Case(status: 400, body: #"{"error":"Invalid isrc."}"#, end: .misused),
            Case(status: 403, body: "{}", end: .notAllowed),
            Case(
                status: 503, body: #"{"error":"… exceeding the allowable rate limit. …"}"#,
                end: .limited),
            Case(
                status: 503, body: #"{"error":"… currently busy. …"}"#, end: .unavailable),
            Case(status: 502, body: "<html>", end: .unavailable),
        ])
    func answers(this: Case) async throws {
        let client = MusicBrainzClient(
            scripted("musicbrainz", MusicBrainzClient.manner) { _ in
                response(this.status, this.body)
            })

        let error = try await failure { try await client.isrc("GBAAA9800001") }

        #expect(error?.code == this.end)
    }

    @Test(
        "A request a second leaves; who is too fast waits at least five seconds, also where 0 is asked"
    )
    func pace() async throws {
        let time = FakeTime()
        let script = Script([
            .say(503, #"{"error":"exceeding the allowable rate limit"}"#, retryAfter: "0"),
            .say(200),
        ])
        let client = MusicBrainzClient(
            Service(
                "musicbrainz", title: "MusicBrainz", base: publicBase,
                manner: MusicBrainzClient.manner, over: { try script.answer($0) },
                clock: Clock(fixedAt: noon), pace: time.pace()))

        for _ in 0..<3 { _ = try await client.recording("x") }

        #expect(time.waits == [.seconds(5), .milliseconds(1100), .milliseconds(1100)])
    }

    @Test("A search for ISRCs goes on until all rows were given, or none come")
    func pages() async throws {
        let seen = Script([.say(200)])
        let client = MusicBrainzClient(
            scripted("musicbrainz", MusicBrainzClient.manner) { request in
                _ = try? seen.answer(request)
                if request.url.contains("offset=3") {
                    return response(200, #"{"count":4,"recordings":[]}"#)
                }
                let rows = request.url.contains("offset=0") ? "1,2" : "3"
                return response(200, #"{"count":4,"recordings":[\#(rows)]}"#)
            })

        var pages = 0
        try await client.recordings(ofISRCs: ["GBAAA9800001", "GBAAA9800002"]) { _ in pages += 1 }

        #expect(pages == 3)
        #expect(
            seen.requests[0].url.hasSuffix(
                "/recording?query=isrc%3A%28GBAAA9800001%20OR%20GBAAA9800002%29&limit=100&offset=0&fmt=json"
            ))
    }

    @Test("Names in a query are phrases, whatever stands in them")
    func query() {
        #expect(
            MusicBrainzClient.query(artist: #"AC\DC"#, title: #"A "B" (C): OR"#)
                == #"recording:"A \"B\" (C): OR" AND artist:"AC\\DC""#)
    }
}

@Suite("The client of ListenBrainz")
struct ListenBrainzClientTests {
    /// Takes listens but those that are called so; more than a thousand it refuses.
    private func client(refusing bad: Set<String> = [], _ script: Script) -> ListenBrainzClient {
        ListenBrainzClient(
            scripted("listenbrainz", ListenBrainzClient.manner) { request in
                _ = try? script.answer(request)
                let rows = (request.body ?? []).withUnsafeBufferPointer {
                    (JSONValue($0)["payload"]?.elements ?? []).map {
                        $0["track_metadata"]?["track_name"]?.text ?? ""
                    }
                }
                return rows.count > 1000 || rows.contains(where: bad.contains)
                    ? response(400, #"{"code":400,"error":"no"}"#)
                    : response(200, #"{"status":"ok"}"#)
            }, token: "T")
    }

    private func listens(_ count: Int) throws -> [JSON] {
        try (0..<count).map { number in
            try #require(
                ListenBrainzClient.listen(
                    at: noon + Int64(number) * 1000, artist: "A", title: "T\(number)"))
        }
    }

    @Test("Listens go by the thousand; the refused are found by halves, all others are taken")
    func submit() async throws {
        let script = Script([.say(200)])
        let refused = try await client(refusing: ["T7", "T2000"], script).submit(listens(2001))

        #expect(refused.map(\.place) == [7, 2000])
        let types = script.requests.map { String(decoding: $0.body ?? [], as: UTF8.self) }
        #expect(types.allSatisfy { $0.hasPrefix(#"{"listen_type":"import","#) })
        #expect(
            script.requests.allSatisfy {
                $0.headers.contains { $0.name == "authorization" && $0.value == "Token T" }
            })
        #expect(script.requests.count < 45)
    }

    @Test("One that has just ended goes as a single one; none go where there are none")
    func single() async throws {
        let script = Script([.say(200)])

        #expect(try await client(script).submit(listens(1), isHistory: false).isEmpty)
        #expect(try await client(script).submit([]).isEmpty)

        #expect(script.requests.count == 1)
        let body = String(decoding: script.requests[0].body ?? [], as: UTF8.self)
        #expect(body.hasPrefix(#"{"listen_type":"single","#))
    }

    @Test("A listen that ListenBrainz would not take is none")
    func limits() {
        func listen(
            _ artist: String, _ title: String, _ time: Milliseconds = noon,
            _ info: [(String, JSON)] = []
        ) -> JSON? {
            ListenBrainzClient.listen(at: time, artist: artist, title: title, info: info)
        }
        #expect(listen("A", "T", 1_033_430_400_000) != nil)
        #expect(listen("A", "T", 1_033_430_399_000) == nil)
        #expect(listen(" ", "T") == nil && listen("A", "") == nil && listen("A\0", "T") == nil)
        let rest = 10_240 - (listen("A", "T", noon, [("x", "")])?.bytes.count ?? 0)
        let full = String(repeating: "x", count: rest)
        #expect(listen("A", "T", noon, [("x", .text(full))])?.bytes.count == 10_240)
        #expect(listen("A", "T", noon, [("x", .text(full + "x"))]) == nil)
        #expect(listen("A", "T")?["track_metadata"]?["release_name"] == nil)
    }

    @Test("When no more calls are free the next one waits; a 429 waits as long as it says")
    func rate() async throws {
        let time = FakeTime()
        let script = Script([.say(200)])
        let client = ListenBrainzClient(
            scripted("listenbrainz", ListenBrainzClient.manner, time: time) { request in
                _ = try? script.answer(request)
                let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-in", "7")]
                switch script.requests.count {
                case 1: return response(200, "{}", headers)
                case 2: return response(429, "{}", [("x-ratelimit-reset-in", "9")])
                default: return response(200, "{}", [("x-ratelimit-remaining", "5")])
                }
            }, token: nil)

        for _ in 0..<3 { _ = try await client.get("user/me/listen-count") }

        #expect(time.waits == [.seconds(7), .seconds(9)])
    }

    @Test("A token that is not valid names nobody")
    func user() async throws {
        for (body, name) in [
            (#"{"code":200,"valid":true,"user_name":"me"}"#, "me"),
            (#"{"code":200,"valid":false}"#, nil),
        ] {
            let client = ListenBrainzClient(
                scripted("listenbrainz", ListenBrainzClient.manner) { _ in response(200, body) },
                token: "T")
            #expect(try await client.user() == name)
        }
    }
}

extension JSON {
    fileprivate subscript(key: String) -> JSON? { members.first { $0.0 == key }?.1 }
}
