import Music
import Testing

@Suite("Plays of a streaming history")
struct PlayTests {
    private static let end: Int64 = 1_700_000_000_000

    private static func play(
        _ milliseconds: Int64 = 200_000, _ change: (inout Play) -> Void = { _ in }
    ) -> Play {
        var play = Play()
        play.endedAtMS = end
        play.playedMS = milliseconds
        play.hasURI = true
        play.hasTitle = true
        change(&play)
        return play
    }

    @Test(
        "Rule 4: from 4 minutes, or from 30 seconds if it was not left",
        arguments: [
            (ms: 0, done: false, skipped: false, left: false, counts: false),
            (ms: 29_999, done: true, skipped: false, left: false, counts: false),
            (ms: 29_999, done: false, skipped: false, left: false, counts: false),
            (ms: 30_000, done: true, skipped: false, left: false, counts: true),
            (ms: 30_000, done: true, skipped: true, left: false, counts: true),
            (ms: 30_000, done: false, skipped: false, left: false, counts: true),
            (ms: 30_000, done: false, skipped: true, left: false, counts: false),
            (ms: 30_000, done: false, skipped: false, left: true, counts: false),
            (ms: 239_999, done: false, skipped: true, left: true, counts: false),
            (ms: 240_000, done: false, skipped: true, left: true, counts: true),
            (ms: -1, done: true, skipped: false, left: false, counts: false),
            (ms: Int64.max, done: false, skipped: true, left: true, counts: true),
        ])
    func ruleFour(ms: Int64, done: Bool, skipped: Bool, left: Bool, counts: Bool) {
        let play = Self.play(ms) {
            $0.isDone = done
            $0.isSkipped = skipped
            $0.isLeft = left
        }

        #expect(play.reason == (counts ? nil : .short))
    }

    @Test("Each reason stands before those that come later")
    func precedence() {
        var play = Self.play(10) {
            $0.endedAtMS = nil
            $0.hasURI = false
            $0.hasTitle = false
            $0.isEpisode = true
            $0.isAudiobook = true
            $0.isIncognito = true
        }
        #expect(play.reason == .badTime)
        play.endedAtMS = Self.end
        #expect(play.reason == .podcast)
        play.isEpisode = false
        #expect(play.reason == .audiobook)
        play.isAudiobook = false
        #expect(play.reason == .noTrack)
        play.hasURI = true
        #expect(play.reason == .noTrack)
        play.hasTitle = true
        #expect(play.reason == .incognito)
        play.isIncognito = false
        #expect(play.reason == .short)
        play.playedMS = 240_000
        #expect(play.reason == nil)
    }

    @Test("A track of a video that is an episode too is a track")
    func trackAndEpisode() {
        #expect(Self.play { $0.isEpisode = true }.reason == nil)
        #expect(Self.play { $0.isAudiobook = true }.reason == nil)
        #expect(Self.play { $0.hasTitle = false }.reason == .noTrack)
    }

    @Test("The words for the reasons do not change")
    func words() {
        #expect(
            Play.Reason.allCases.map(\.rawValue) == [
                "bad_time", "podcast", "audiobook", "no_track", "incognito", "short",
                "near_duplicate", "joined",
            ])
    }

    private static let second = end / 1000
    private static let start = end - 200_000

    @Test(
        "The start is offline_timestamp where that fits, else the end less the sound",
        arguments: [
            (offline: nil, start: start),
            (offline: 0, start: start),
            (offline: second - 200, start: start),
            // The player was paused for an hour; for 24 hours; for a second more than that.
            (offline: second - 200 - 3600, start: start - 3_600_000),
            (offline: second - 200 - 86_400, start: start - 86_400_000),
            (offline: second - 200 - 86_401, start: start),
            // Begun after it can have begun.
            (offline: second - 199, start: start),
            // Old files: milliseconds, rounded down to the second.
            (offline: end - 200_000, start: start),
            (offline: end - 200_000 - 3_600_000 + 999, start: start - 3_600_000),
            // Nonsense.
            (offline: 1, start: start),
            (offline: -5, start: start),
            (offline: second + 10 * 365 * 86_400, start: start),
            (offline: 100_000_000_000, start: start),
            (offline: 100_000_000_001, start: start),
            (offline: Int64.max, start: start),
            (offline: Int64.min, start: start),
        ] as [(offline: Int64?, start: Int64)])
    func begins(offline: Int64?, start: Int64) {
        #expect(Self.play { $0.offlineTimestamp = offline }.startedAtMS == start)
    }

    @Test(
        "The start is in whole seconds, rounded down",
        arguments: [
            (end: 10_000, played: 1, start: 9_000), (end: 10_000, played: 1_000, start: 9_000),
            (end: 10_000, played: 0, start: 10_000), (end: 500, played: 600, start: -1_000),
        ] as [(end: Int64, played: Int64, start: Int64)])
    func wholeSeconds(end: Int64, played: Int64, start: Int64) {
        var play = Play()
        play.endedAtMS = end
        play.playedMS = played
        #expect(play.startedAtMS == start)
    }

    @Test("Without an end there is no start")
    func noEnd() { #expect(Self.play { $0.endedAtMS = nil }.startedAtMS == nil) }

    @Test(
        "Lengths that nothing can have do not make a start, nor end the program",
        arguments: [Int64.min, Int64.min + 1, Int64.max],
        [nil, Int64.max, 1_700_000_000] as [Int64?])
    func nonsense(played: Int64, offline: Int64?) throws {
        let play = Self.play(played) { $0.offlineTimestamp = offline }

        let start = try #require(play.startedAtMS)
        #expect(start <= Self.end && start >= Self.end - 366 * 86_400_000)
    }
}
