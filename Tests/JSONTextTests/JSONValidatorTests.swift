import Foundation
import JSONText
import TestSupport
import Testing

/// Why a text is refused; nil if it is taken.
func fault(_ bytes: [UInt8], bounds: JSONBounds = JSONBounds()) -> JSONFault? {
    bytes.withUnsafeBufferPointer { view in
        do throws(JSONFault) {
            try JSONValidator.check(view, bounds: bounds)
            return nil
        } catch { return error }
    }
}

func fault(_ text: String) -> JSONFault? { fault(Array(text.utf8)) }

@Suite("What is JSON and what is not")
struct JSONValidatorTests {
    @Test(
        "RFC 8259 is taken",
        arguments: [
            "null", "true", "false", "0", "-0", "-1", "10", "1.5", "1e5", "1E+5", "1e-5", "0.0e0",
            "123456789012345678901234567890",
            "\"\"", "\"a\"", #""\"\\\/\b\f\n\r\t\u0000\uD834\uDD1E\uabCD""#, #""\uD800""#,
            "\"\u{7F}\u{80}\u{FFFF}😀\"",
            "[]", "[ ]", "{}", "{ }", " [1 , 2] ", "\t\r\n{ \"a\" : [ { } , null ] }\n",
            "{\"a\":1,\"a\":2}", "{\"\":\"\"}", "[[[]]]",
        ])
    func taken(text: String) {
        #expect(fault(text) == nil)
    }

    @Test(
        "Anything else is refused, with the place",
        arguments: [
            ("", 0), (" ", 1), ("nul", 0), ("nulL", 0), ("True", 0), ("+1", 0), ("01", 1), ("-", 1),
            ("-a", 1), (".5", 0), ("1.", 2),
            ("1.e5", 2), ("1e", 2), ("1e+", 3), ("0x10", 1), ("NaN", 0), ("Infinity", 0),
            ("-Infinity", 1), ("1 2", 2), ("[1,]", 3),
            ("[,1]", 1), ("[1 2]", 3), ("[1", 2), ("[", 1), ("]", 0), ("{", 1), ("{\"a\"}", 4),
            ("{\"a\":}", 5), ("{\"a\":1,}", 7),
            ("{a:1}", 1), ("{1:1}", 1), ("{\"a\":1 \"b\":2}", 7), ("{\"a\":1", 6), ("[1}", 2),
            ("{\"a\":1]", 6), ("\"", 1), ("\"a", 2),
            ("'a'", 0), ("\"\\\"", 3), ("\"\\x\"", 2), ("\"\\u12\"", 2), ("\"\\u12g4\"", 2),
            ("\"\\U1234\"", 2), ("\"a\nb\"", 2), ("\"\t\"", 1), ("\"\u{0}\"", 1),
            ("[1]x", 3), ("/* */1", 0), ("1 // x", 2), ("\u{FEFF}1", 0), ("\u{A0}1", 0),
            ("\u{B}1", 0), ("[1]\u{0}", 3),
        ])
    func refused(text: String, offset: Int) {
        #expect(fault(text)?.offset == offset, "\(fault(text)?.description ?? "taken")")
    }

    @Test(
        "Text is UTF-8 by RFC 3629",
        arguments: [
            ([0xC2, 0x80], true), ([0xDF, 0xBF], true), ([0xE0, 0xA0, 0x80], true),
            ([0xED, 0x9F, 0xBF], true),
            ([0xEE, 0x80, 0x80], true), ([0xEF, 0xBF, 0xBF], true),
            ([0xF0, 0x90, 0x80, 0x80], true), ([0xF4, 0x8F, 0xBF, 0xBF], true),
            ([0x80], false), ([0xBF], false), ([0xC0, 0x80], false), ([0xC1, 0xBF], false),
            ([0xC2], false), ([0xC2, 0x22], false),
            ([0xC2, 0xC2], false), ([0xE0, 0x9F, 0xBF], false), ([0xE0, 0x80, 0x80], false),
            ([0xE1, 0x80], false),
            ([0xE1, 0x80, 0x41], false), ([0xED, 0xA0, 0x80], false), ([0xED, 0xBF, 0xBF], false),
            ([0xF0, 0x8F, 0xBF, 0xBF], false),
            ([0xF0, 0x90, 0x80], false), ([0xF1, 0x80, 0x80, 0x41], false),
            ([0xF4, 0x90, 0x80, 0x80], false),
            ([0xF5, 0x80, 0x80, 0x80], false), ([0xF8, 0x88, 0x80, 0x80, 0x80], false),
            ([0xFE], false), ([0xFF], false),
        ] as [([UInt8], Bool)])
    func utf8(sequence: [UInt8], fits: Bool) {
        #expect((fault([0x22] + sequence + [0x22]) == nil) == fits)
        // Cut off by the end of the text it is refused in any case, and nothing is read behind the end.
        #expect(fault([0x22] + sequence) != nil)
        #expect(
            (String(validating: sequence, as: UTF8.self) != nil) == fits,
            "the standard library agrees")
    }

    @Test("The bounds hold to the byte")
    func bounds() {
        func nested(_ depth: Int) -> [UInt8] {
            Array(
                (String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        func text(_ size: Int) -> [UInt8] {
            [0x22] + [UInt8](repeating: 0x61, count: size) + [0x22]
        }
        func objects(_ depth: Int) -> [UInt8] {
            Array(
                (String(repeating: "{\"a\":", count: depth) + "1"
                    + String(repeating: "}", count: depth)).utf8)
        }

        #expect(fault(nested(64)) == nil)
        #expect(fault(nested(65)) == JSONFault(offset: 64, reason: "nested deeper than 64"))
        #expect(fault(objects(64)) == nil)
        #expect(fault(objects(65)) != nil)
        #expect(fault(text(64 << 10)) == nil)
        #expect(fault(text((64 << 10) + 1))?.reason == "a text of more than 65536 bytes")
        #expect(fault([0x7B] + text((64 << 10) + 1) + Array(":1}".utf8)) != nil, "keys are texts")
        let row = Array("[".utf8) + (0..<31).flatMap { _ in text(32 << 10) + [0x2C] }
        let rest = (1 << 20) - row.count - 3
        #expect(fault(row + text(rest) + [0x5D]) == nil)
        #expect(
            fault(row + text(rest + 1) + [0x5D])?.reason == "a value of more than 1048576 bytes")
        #expect(fault(Array(String(repeating: "9", count: 400).utf8)) == nil)
        #expect(fault(Array(String(repeating: "9", count: 401).utf8)) != nil)
        #expect(fault(nested(100_000)) != nil, "no stack is used up")
    }

    @Test("One value is read out of a longer text")
    func valueInside() {
        let text = Array("[1] {\"a\":2} rest".utf8)
        let ends = text.withUnsafeBufferPointer { view in
            var validator = JSONValidator(view)
            return [try? validator.value(), try? validator.value(), try? validator.value()]
        }
        #expect(ends == [3, 11, nil])
    }

    /// Where the two are known to differ; the validator's answer is right by RFC 8259.
    private func isKnownDifference(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self).lowercased()
        // Foundation guesses UTF-16 and UTF-32 from zeros and byte order marks.
        if bytes.contains(0) || bytes.starts(with: [0xEF, 0xBB, 0xBF])
            || [0xFE, 0xFF].contains(bytes.first)
        {
            return true
        }
        // Foundation takes a comma behind the last element or member.
        let tokens = text.filter { !$0.isWhitespace }
        if tokens.contains(",]") || tokens.contains(",}") { return true }
        // Foundation refuses numbers that no Double holds, and escaped lone surrogates.
        return tokens.contains(/e\+?\d{3}/) || text.contains("\\ud")
    }

    @Test("It agrees with Foundation on 4,000 mutated texts")
    func foundationAgrees() {
        let seeds = [
            #"{"ts":"2015-03-01T12:00:00Z","ms_played":184000,"track":"Déjà vu \u00e9\n","skipped":null,"offline":false}"#,
            #"[1,-2.5e+10,0.25,[],{},[{"a":[true,false]}],"\"\\\/","😀"]"#,
            #" { "a" : [ 1 , { "b" : "c" } ] } "#,
        ].map { Array($0.utf8) }
        let alphabet =
            Array("{}[]\",:0123456789eE+-.\\/ntfu \n\u{1}aé".utf8) + [0xC0, 0xED, 0xA0, 0xF5, 0xFF]
        var accepted = 0
        for seed in 0..<4000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var bytes = seeds[Int(seed) % seeds.count]
            for _ in 0..<Int.random(in: 1...2, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[at] = byte
                case 1: bytes.insert(byte, at: at)
                case 2: bytes.remove(at: at)
                default: bytes.swapAt(at, Int.random(in: 0..<bytes.count, using: &generator))
                }
            }
            let ours = fault(bytes) == nil
            let theirs =
                (try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed]))
                != nil
            accepted += ours ? 1 : 0
            #expect(
                ours == theirs || isKnownDifference(bytes),
                "seed \(seed): \(String(decoding: bytes, as: UTF8.self)): \(fault(bytes)?.description ?? "taken")"
            )
        }
        #expect((500...3500).contains(accepted), "both answers are given often")
    }
}
