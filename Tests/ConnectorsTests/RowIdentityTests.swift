import Connectors
import JSONText
import TestSupport
import Testing

@Suite("Which rows are one row")
struct RowIdentityTests {
    private func identity(_ row: String) -> RowIdentity {
        Array(row.utf8).withUnsafeBufferPointer { RowIdentity(JSONValue($0)) }
    }

    private static let row =
        #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Café","skipped":null,"offline":false}"#

    @Test(
        "Order, spelling, white space, nulls and private fields make no difference",
        arguments: [
            #"{"offline":false,"skipped":null,"name":"Café","ms_played":193283,"ts":"2025-04-28T21:16:38Z"}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Caf\u00e9","offline":false}"#,
            #"{"ts":"2025-04-28T21\u003a16:38Z","ms_played":193283,"name":"Caf\u00E9","offline":false,"shuffle":null}"#,
            "{\n  \"ts\" : \"2025-04-28T21:16:38Z\",\n  \"ms_played\" : 193283 ,\n \"name\" : \"Café\", \"offline\" : false\n}",
            #"{"username":"me","ip_addr":"1.2.3.4","ip_addr_decrypted":"5.6.7.8","user_agent_decrypted":"x","ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Café","offline":false}"#,
        ])
    func same(other: String) {
        #expect(identity(Self.row) == identity(other))
    }

    @Test(
        "Any kept field that differs makes another row",
        arguments: [
            #"{"ts":"2025-04-28T21:16:39Z","ms_played":193283,"name":"Café","offline":false}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193284,"name":"Café","offline":false}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Cafe","offline":false}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Cafe\u0301","offline":false}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Café","offline":true}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Café","offline":false,"skipped":false}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":"193283","name":"Café","offline":false}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Café"}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"name":"Café","offline":false,"platform":""}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"names":"Café","offline":false}"#,
        ])
    func different(other: String) {
        #expect(identity(Self.row) != identity(other))
    }

    @Test("A value does not run over into the next key")
    func boundaries() {
        #expect(identity(#"{"a":"b","c":"d"}"#) != identity(#"{"a":"bc","":"d"}"#))
        #expect(identity(#"{"a":"1"}"#) != identity(#"{"a":1}"#))
        #expect(identity(#"{"a":"null"}"#) != identity(#"{"a":null}"#))
        #expect(identity("{}") == identity(#"{"username":"x"}"#))
    }

    @Test("A row is the same after it was stored, whatever it holds")
    func stored() {
        let rows = [
            Self.row,
            "{ \"ts\" : \"x\", \"list\" : [ 1, {\"a\" : \"b c\"} ], \"username\" : \"me\", \"object\" : { \"k\" : null } }",
        ]
        for row in rows {
            var compact: [UInt8] = []
            Array(row.utf8).withUnsafeBufferPointer { bytes in
                appendCompact(JSONValue(bytes), to: &compact) { isPrivate($0) }
            }
            #expect(identity(String(decoding: compact, as: UTF8.self)) == identity(row))
            #expect(!compact.contains { $0 == 0x0A })
        }
    }

    @Test("Private fields are told by how they begin")
    func privateFields() {
        let keys = [
            ("username", true), ("ip_addr", true), ("ip_addr_decrypted", true),
            ("user_agent_decrypted", true),
            ("user_agent", true), ("ip", false), ("user", false), ("ts", false),
            ("platform", false),
        ]
        for (key, wanted) in keys {
            #expect(Array(key.utf8).withUnsafeBufferPointer { isPrivate($0) } == wanted, "\(key)")
        }
    }
}
