import Foundation
import JSONText
import TestSupport
import Testing

/// Gives a value over its bytes to a closure.
func value<R>(_ text: String, _ body: (JSONValue) throws -> R) rethrows -> R {
    try Array(text.utf8).withUnsafeBufferPointer { try body(JSONValue($0)) }
}

@Suite("Looking into a text")
struct JSONValueTests {
    @Test("Members and elements are found where they stand")
    func members() {
        value(#"{ "a" : 1 , "b" : { "c" : [ "x" , {"y":"}"} , [1,2] ] } , "n" : null , "a" : 2 }"#)
        { root in
            #expect(root.isObject && !root.isArray)
            #expect(root["a"]?.integer == 1, "the first of two")
            #expect(root["n"] == nil, "null counts as absent")
            #expect(root["zz"] == nil)
            #expect(root["b"]?["c"]?.elements.count == 3)
            #expect(root["b"]?["c"]?.elements[0].text == "x")
            #expect(root["b"]?["c"]?.elements[1]["y"]?.text == "}")
            #expect(root["b"]?["c"]?.elements[2].elements.compactMap(\.integer) == [1, 2])
            var keys: [String] = []
            root.members { key, _ in
                keys.append(String(decoding: key, as: UTF8.self))
                return keys.count < 3
            }
            #expect(keys == ["a", "b", "n"])
        }
        value("[]") { #expect($0.elements.isEmpty && $0["a"] == nil) }
        value("{}") { #expect($0["a"] == nil && $0.elements.isEmpty) }
    }

    @Test(
        "Numbers are whole and fit, or are none",
        arguments: [
            ("0", 0), ("-0", 0), ("7", 7), ("-7", -7), ("3e2", 300), ("7.0", 7), ("1.5e1", 15),
            ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil),
            ("1e400", nil), ("1e19", nil), ("-", nil), ("", nil), ("true", nil), ("\"7\"", nil),
            ("null", nil), ("[1]", nil),
        ] as [(String, Int64?)])
    func integers(text: String, expected: Int64?) {
        value(text) { #expect($0.integer == expected) }
    }

    @Test(
        "Escapes are resolved",
        arguments: [
            (#""""#, ""), (#""abc""#, "abc"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
            (#""\u00e9\u00E9""#, "éé"),
            (#""\uD83D\uDE00!""#, "😀!"), (#""\uD800""#, "\u{FFFD}"), (#""\uDC00x""#, "\u{FFFD}x"),
            (#""\uD800\u0041""#, "\u{FFFD}A"),
            (#""\uD800\uD83D\uDE00""#, "\u{FFFD}😀"), (#""\u0000""#, "\u{FFFD}"), ("\"é😀\"", "é😀"),
        ])
    func texts(text: String, expected: String) {
        #expect(fault(text) == nil)
        value(text) { #expect($0.text == expected) }
    }

    @Test("Only a text is a text, and only a truth value is one")
    func kinds() {
        for other in ["1", "null", "{}", "[]", "true"] {
            value(other) { #expect($0.text == nil && !$0.isText("x")) }
        }
        value("true") { #expect($0.bool == true) }
        value("false") { #expect($0.bool == false) }
        value("1") { #expect($0.bool == nil) }
        value("\"ab\"") {
            #expect($0.isText("ab") && !$0.isText("a") && !$0.isText("abc") && !$0.isText("aB"))
        }
    }

    @Test("On 20,000 strings of arbitrary bytes nothing is read outside")
    func arbitraryBytes() {
        let alphabet = Array(#"{}[]",:\u0D8e-.tfn "#.utf8) + [0, 0x0A, 0xE9, 0xFF]
        for seed in 0..<20_000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let count = Int.random(in: 0...40, using: &generator)
            // The exact allocation, so that a read outside is one of foreign memory; guards tell of writes.
            let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count + 16)
            defer { memory.deallocate() }
            memory.initialize(repeating: UInt8(ascii: "\""))
            for index in 0..<count {
                memory[8 + index] = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            let view = Bytes(rebasing: memory[8..<8 + count])
            var seen = 0
            visit(JSONValue(view), inside: view, depth: 0, &seen)
            _ = fault(Array(view))
            var output: [UInt8] = []
            appendCompact(JSONValue(view), to: &output)
            #expect(output.count <= count)
            appendCompact(JSONValue(view), to: &output) { $0.count == 1 }
        }
    }

    /// Looks at everything; each part must lie in the view it was taken from.
    private func visit(_ value: JSONValue, inside view: Bytes, depth: Int, _ seen: inout Int) {
        seen += 1
        if let base = value.bytes.baseAddress, let start = view.baseAddress {
            #expect(base >= start && base + value.bytes.count <= start + view.count)
        }
        _ = (value.integer, value.text, value.bool, value.isText("a"), value["a"]?.bytes.count)
        var parts: [JSONValue] = []
        value.members { key, member in
            #expect(unescapedKey(key).count <= 3 * key.count)
            parts.append(member)
            return true
        }
        value.elements { parts.append($0) }
        for part in parts where seen < 1000 {
            visit(part, inside: value.bytes, depth: depth + 1, &seen)
        }
    }

    @Test("A look into every valid mutation agrees with Foundation")
    func foundationAgrees() throws {
        for seed in 0..<1000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let json = random(depth: 4, using: &generator)
            let text = json.text
            let theirs = try JSONSerialization.jsonObject(
                with: Data(text.utf8), options: [.fragmentsAllowed])
            #expect(fault(text) == nil)
            value(text) { #expect(same($0, theirs), "seed \(seed): \(text)") }
        }
    }

    private func same(_ ours: JSONValue, _ theirs: Any) -> Bool {
        switch theirs {
        case let text as String: return ours.text == text
        case let list as [Any]:
            return ours.elements.count == list.count && zip(ours.elements, list).allSatisfy(same)
        case let object as [String: Any]:
            var count = 0
            var equal = true
            ours.members { key, member in
                count += 1
                let name = String(decoding: unescapedKey(key), as: UTF8.self)
                equal = equal && object[name].map { same(member, $0) } == true
                return true
            }
            return equal && count == object.count
        case is NSNull: return ours.isNull
        case let number as NSNumber:
            return ours.bool.map { $0 == number.boolValue } ?? (ours.integer == number.int64Value)
        default: return false
        }
    }
}

/// Some value, with texts that need escapes.
func random(depth: Int, using generator: inout SplitMix64) -> JSON {
    let texts = ["", "a", "quote\"", "back\\slash", "line\nbreak", "\u{1}", "é😀", "tab\t/"]
    switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &generator) {
    case 0: return nil
    case 1: return .bool(Bool.random(using: &generator))
    case 2: return .integer(Int64.random(in: .min ... .max, using: &generator))
    case 3, 4: return .text(texts[Int.random(in: 0..<texts.count, using: &generator)])
    case 5:
        return .array(
            (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                random(depth: depth - 1, using: &generator)
            })
    default:
        return .object(
            (0..<Int.random(in: 0...4, using: &generator)).map {
                ("\(texts[$0 + 2])\($0)", random(depth: depth - 1, using: &generator))
            })
    }
}
