import Foundation
import Ledger
import TestSupport
import Testing

@Suite("Recorded time")
struct RecordedTimeTests {
    private let now = TestLedger.now

    /// The recorded times of all events.
    private func times(_ test: TestLedger) throws -> [Milliseconds] {
        try read(test.ledger()).lines.compactMap { line in
            Array(line.utf8).withUnsafeBufferPointer { EventLine($0)?.at }
        }
    }

    @Test("It never decreases, whatever the clocks say")
    func neverDecreases() throws {
        for seed in 0..<50 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let test = try TestLedger()
            for _ in 0..<8 {
                let clock = now + Milliseconds.random(in: -5000...5000, using: &generator)
                try test.append([Int.random(in: 1...3, using: &generator)], at: clock)
                if Bool.random(using: &generator) { try test.beginSegment() }
            }
            let times = try times(test)
            #expect(times == times.sorted(), "seed \(seed)")
            #expect(try test.ledger().verify().time == times.last)
        }
    }

    @Test(
        "A run whose clock is more than a second behind says so first",
        arguments: [
            (behind: 0, said: false), (behind: 1000, said: false), (behind: 1001, said: true),
            (behind: 86_400_000, said: true), (behind: -5000, said: false),
        ])
    func clockBehind(behind: Milliseconds, said: Bool) throws {
        let test = try TestLedger().append([1])
        let writer = try test.writer(at: now - behind)
        try writer.append([event(2)])
        try writer.append([event(3)])

        let lines = try read(test.ledger()).lines
        let notes = said ? ["ledger.clock_behind"] : []
        #expect(types(lines) == ["test.noted"] + notes + ["test.noted", "test.noted"])
        if said {
            #expect(
                lines[1].contains(
                    "{\"clock\":\"\(ISOTime.text(now - behind))\",\"last_at\":\"\(ISOTime.text(now))\"}"
                ))
        }
        #expect(
            try times(test)
                == (behind < 0 ? [now, now - behind, now - behind] : lines.map { _ in now }))
    }

    @Test("The seq at a moment is the last event recorded by then", arguments: [false, true])
    func seqAt(sealed: Bool) throws {
        let test = try TestLedger()
        for step in [0, 10, 10, 20, 50, 60] as [Milliseconds] {
            try test.append([2], at: now + step)
            if step == 20 { try test.beginSegment() }
        }
        if sealed { _ = try test.writer(at: now + 60).seal(all: true) }
        let times = try times(test)

        for moment in now - 2...now + 70 {
            let expected = Seq(times.filter { $0 <= moment }.count)
            #expect(try test.ledger().seq(at: moment) == expected, "\(moment - now)")
        }
        for seq in 1...times.count {
            #expect(try test.ledger().time(of: Seq(seq)) == times[seq - 1])
        }
        #expect(try test.ledger().time(of: 0) == 0)
        #expect(try TestLedger().ledger().seq(at: now) == 0)
    }
}

@Suite("Times, identifiers and digests in text")
struct TextFormsTests {
    @Test(
        "RFC 3339 is read with any offset and any number of decimals",
        arguments: [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.001Z", 1),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-11-22T10:00:00Z", 1_795_341_600_000),
            ("2026-11-22t10:00:00z", 1_795_341_600_000),
            ("2026-11-22T10:00:00.1Z", 1_795_341_600_100),
            ("2026-11-22T10:00:00.123456789Z", 1_795_341_600_123),
            ("2026-11-22T11:30:00+01:30", 1_795_341_600_000),
            ("2026-11-21T22:00:00-12:00", 1_795_341_600_000),
            ("2026-11-22T10:00:00-00:00", 1_795_341_600_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2100-02-28T23:59:59Z", 4_107_542_399_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] as [(String, Milliseconds)])
    func readTime(text: String, expected: Milliseconds) {
        #expect(ISOTime.parse(text) == expected)
    }

    @Test(
        "What is not RFC 3339 is not read",
        arguments: [
            "", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22 10:00:00Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z",
            "2026-11-22T10:00:61Z",
            "2026-11-22T10:00:00.Z", "2026-11-22T10:00:00.5", "2026-11-22T10:00:00ZZ",
            "2026-11-22T10:00:00+0100",
            "2026-11-22T10:00:00+1:00", "2026-11-22T10:00:00+01:0", "2026-11-22T10:00:00+24:00",
            "2026-11-22T10:00:00+01:60", "2026-11-22T10:00:00+99:99", "-026-11-22T10:00:00Z",
            "2026/11/22T10:00:00Z",
            "26-11-22T10:00:00.000Z", "２０26-11-22T10:00:00Z", "2026-11-22T10:00:00,5Z",
        ])
    func refusedTime(text: String) {
        #expect(ISOTime.parse(text) == nil)
    }

    @Test("A date is its beginning")
    func date() {
        #expect(ISOTime.parseDate("2026-11-22") == 1_795_305_600_000)
        #expect(ISOTime.parseDate("2026-1-22") == nil)
        #expect(ISOTime.parseDate("2026-02-29") == nil)
    }

    @Test("A time written is read back")
    func timeRoundTrip() {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<20_000 {
            let time = Milliseconds.random(
                in: -62_167_219_200_000...253_402_300_799_999, using: &generator)
            #expect(ISOTime.parse(ISOTime.text(time)) == time)
        }
        #expect(ISOTime.text(-1) == "1969-12-31T23:59:59.999Z")
        #expect(ISOTime.text(1_795_341_600_999, fraction: false) == "2026-11-22T10:00:00Z")
    }

    @Test("Times agree with Foundation's calendar on every day from 1890 to 2120")
    func foundationAgrees() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        for day in stride(from: -29_220, to: 54_787, by: 7) {
            let parts = calendar.dateComponents(
                [.year, .month, .day], from: Date(timeIntervalSince1970: Double(day) * 86_400))
            let text = ISOTime.text(Milliseconds(day) * 86_400_000, fraction: false)
            #expect(
                text
                    == String(
                        format: "%04d-%02d-%02dT00:00:00Z", parts.year ?? 0, parts.month ?? 0,
                        parts.day ?? 0))
        }
    }

    @Test("A ULID holds its time in front and sorts by it")
    func ulid() {
        var generator = SplitMix64(seed: 3)
        #expect(ULID(at: 1_469_918_176_385, using: &generator).description.hasPrefix("01ARYZ6S41"))
        #expect(ULID(at: -5, using: &generator).description.hasPrefix("0000000000"))
        #expect(ULID(at: (1 << 48) - 1, using: &generator).description.hasPrefix("7ZZZZZZZZZ"))
        var texts: [String] = []
        for step in 0..<2000 {
            texts.append(
                ULID(at: TestLedger.now + Milliseconds(step), using: &generator).description)
        }
        #expect(texts == texts.sorted() && Set(texts).count == 2000)
        let alphabet = Set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
        #expect(texts.allSatisfy { $0.count == 26 && $0.allSatisfy(alphabet.contains) })
    }

    @Test(
        "SHA-256 gives the values of FIPS 180-4",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func sha256(text: String, hex: String) {
        let digest = SHA256.digest(Array(text.utf8))
        var pieces = SHA256()
        for byte in text.utf8 { withUnsafeBytes(of: byte) { pieces.update($0) } }

        #expect(digest.description == hex)
        #expect(pieces.finish() == digest)
        #expect(Digest(hex: hex) == digest)
        #expect(Digest(hex: hex.uppercased()) == digest)
        #expect(digest.prefix == number(digest.bytes, 0, 8))
    }

    @Test(
        "Only 64 hexadecimal digits are a digest",
        arguments: [
            "", "00", String(repeating: "0", count: 63), String(repeating: "0", count: 65),
            String(repeating: "g", count: 64), String(repeating: "0", count: 62) + "é",
            String(repeating: "0", count: 63) + " ",
        ])
    func digestHex(text: String) {
        #expect(Digest(hex: text) == nil)
    }

    @Test("A checkpoint is printed as SEQ:HASH")
    func checkpoint() {
        let chain = SHA256.digest([])
        #expect("\(Checkpoint(seq: 7, chain: chain))" == "7:\(chain)")
        #expect([0, 15, 255].hex == "000fff")
    }
}
