import Foundation
import JSONText
import TestSupport
import Testing

@Suite("Writing JSON")
struct JSONWritingTests {
    private func compact(_ text: String, dropping: Set<String>? = nil) -> String {
        value(text) { value in
            var output: [UInt8] = []
            if let dropping {
                appendCompact(value, to: &output) {
                    dropping.contains(String(decoding: $0, as: UTF8.self))
                }
            } else {
                appendCompact(value, to: &output)
            }
            return String(decoding: output, as: UTF8.self)
        }
    }

    @Test(
        "Compact text keeps every token as it came",
        arguments: [
            ("[ 1.50 , 1E+05 ,\t-0 ]\n", "[1.50,1E+05,-0]"),
            (#"{ "a b" : " c \" d " }"#, #"{"a b":" c \" d "}"#),
            (#"{"\u0061":"\/\u00e9","a":1}"#, #"{"\u0061":"\/\u00e9","a":1}"#),
            ("  null  ", "null"),
            ("\"a  b\"", "\"a  b\""),
            ("{ }", "{}"),
        ])
    func compactTokens(text: String, expected: String) {
        #expect(compact(text) == expected)
        #expect(compact(expected) == expected)
    }

    @Test(
        "Members are left out by their unescaped key, outermost only",
        arguments: [
            (#"{ "ip_addr" : "1.2.3.4" , "ts" : 1 }"#, #"{"ts":1}"#),
            (#"{"ts":1,"ip_addr":"1.2.3.4"}"#, #"{"ts":1}"#),
            (#"{"\u0069p_addr":"1.2.3.4","ts":1}"#, #"{"ts":1}"#),
            (#"{"ip_addr":{"a":[1,2]}}"#, "{}"),
            (#"{"in":{"ip_addr":1},"ip_addr2":2}"#, #"{"in":{"ip_addr":1},"ip_addr2":2}"#),
            (#"{"ip_addr":1,"a":2,"ip_addr":3}"#, #"{"a":2}"#),
            (#"["ip_addr"]"#, #"["ip_addr"]"#),
        ])
    func dropping(text: String, expected: String) {
        #expect(compact(text, dropping: ["ip_addr"]) == expected)
    }

    @Test("Compact text of a text with white space anywhere between tokens is the text before")
    func prettyAndBack() {
        for seed in 0..<500 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let text = random(depth: 4, using: &generator).text
            var pretty: [UInt8] = []
            var isInside = false
            var isEscaped = false
            for byte in text.utf8 {
                let isToken = "{}[],:\"".utf8.contains(byte)
                if !isInside, isToken, Bool.random(using: &generator) {
                    pretty.append(contentsOf: [0x20, 0x0A, 0x09])
                }
                if byte == 0x22, !isEscaped { isInside.toggle() }
                isEscaped = isInside && byte == 0x5C && !isEscaped
                pretty.append(byte)
                if !isInside, isToken { pretty.append(0x0D) }
            }
            #expect(fault(pretty) == nil, "seed \(seed)")
            #expect(compact(String(decoding: pretty, as: UTF8.self)) == text, "seed \(seed)")
        }
    }

    @Test("A quoted text is valid and gives the text back")
    func quotedRoundTrip() {
        for seed in 0..<3000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var text = ""
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                let limit: UInt32 = Bool.random(using: &generator) ? 0x80 : 0x11_0000
                guard let scalar = Unicode.Scalar(UInt32.random(in: 1..<limit, using: &generator))
                else { continue }
                text.unicodeScalars.append(scalar)
            }
            var output: [UInt8] = []
            appendQuoted(text, to: &output)

            #expect(fault(output) == nil, "seed \(seed)")
            output.withUnsafeBufferPointer { #expect(JSONValue($0).text == text, "seed \(seed)") }
            let theirs = try? JSONSerialization.jsonObject(
                with: Data(output), options: [.fragmentsAllowed])
            #expect(theirs as? String == text, "seed \(seed)")
        }
    }

    @Test(
        "Only what must be escaped is",
        arguments: [
            ("a/é😀\u{7F}", "\"a/é😀\u{7F}\""), ("\"\\", #""\"\\""#), ("\n\r\t", #""\n\r\t""#),
            ("\u{0}\u{1F}\u{8}", #""\u0000\u001f\u0008""#),
        ])
    func escapes(text: String, expected: String) {
        var output: [UInt8] = []
        appendQuoted(text, to: &output)
        #expect(String(decoding: output, as: UTF8.self) == expected)
    }

    @Test("Values are written in the order they were given")
    func values() {
        let json: JSON = [
            "b": 1, "a": [true, nil, "x", .raw(Array("1.50".utf8))], "none": JSON(String?.none),
            "n": JSON(Int?.some(7)),
            "m": JSON(Int?.none), "min": .integer(.min),
        ]
        #expect(
            json.text
                == #"{"b":1,"a":[true,null,"x",1.50],"none":null,"n":7,"m":null,"min":-9223372036854775808}"#
        )
        #expect(([] as JSON).text == "[]")
        #expect(JSON.object([]).text == "{}")
    }
}
