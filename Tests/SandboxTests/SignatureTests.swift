import Sandbox
import Testing

@Suite("Signatures and challenges")
struct SignatureTests {
    @Test("The code challenge of RFC 7636, appendix B")
    func challengeVector() {
        #expect(
            challenge(of: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
                == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    }

    @Test("Last.fm's signatures of calls that others signed")
    func signatureVectors() {
        #expect(
            signature(
                [
                    "api_key": "YOUR_API_KEY", "method": "auth.getSession",
                    "token": "YOUR_REQUESTED_TOKEN",
                ], secret: "YOUR_SECRET") == "94539006de89b3c6b3c030bb1e52b9c4")
        #expect(
            signature(
                [
                    "api_key": "YOUR_API_KEY", "method": "track.love", "artist": "KITANO REM",
                    "track": "RAINSICK", "sk": "YOUR_SESSION_KEY", "format": "json",
                ], secret: "YOUR_SECRET") == "800b8884b00c9343d1d425ed271e0f42")
        var rows = [("Björk", "Jóga"), ("A & B", "x=y?")]
        rows += (2...10).map { ("A\($0)", "T\($0)") }
        var batch = [
            "method": "track.scrobble", "api_key": "0123456789abcdef0123456789abcdef",
            "sk": "SESSIONKEY",
        ]
        for (index, row) in rows.enumerated() {
            batch["artist[\(index)]"] = row.0
            batch["track[\(index)]"] = row.1
            batch["timestamp[\(index)]"] = String(1_700_000_000 + 300 * index)
        }
        #expect(signature(batch, secret: "SECRET") == "a6bee5cf53306c03d1bbbb03f52a77e5")
    }
}
