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

        let error = try await failure { try await client.recording("x") }

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
