import CCrypto
import JSONText
import Ledger

/// The one application that Last.fm knows here.
public enum LastfmApplication {
    public static let key = "5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c"
    public static let secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75e"
}

/// The signature of a call's parameters: MD5 over names and values in order of the names.
package func signature(_ parameters: [String: String], secret: String) -> String {
    let signed = parameters.filter { !["format", "callback", "api_sig"].contains($0.key) }
    let names = signed.keys.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    let text = Array((names.map { $0 + (signed[$0] ?? "") }.joined() + secret).utf8)
    var digest = [UInt8](repeating: 0, count: 16)
    _ = MD5(text, text.count, &digest)
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

typealias Parameters = [String: String]

private func parameters(_ call: Call) -> Parameters {
    Dictionary((call.query + call.form).map { ($0.name, $0.value) }) { $1 }
}

/// Error numbers with HTTP status and text.
private let errors: [Int: (status: Int, text: String)] = [
    3: (400, "Invalid Method - No method with that name in this package"),
    4: (403, "Authentication Failed - You do not have permissions to access the service"),
    6: (400, "Invalid parameters - Your request is missing a required parameter"),
    8: (500, "Operation failed - Most likely the backend service failed. Please try again."),
    9: (403, "Invalid session key - Please re-authenticate"),
    10: (403, "Invalid API key - You must be granted a valid key by last.fm"),
    11: (503, "Service Offline - This service is temporarily offline. Try again later."),
    13: (403, "Invalid method signature supplied"),
    14: (403, "Unauthorized Token - This token has not been authorized"),
    15: (403, "This token has expired"),
    16: (503, "There was a temporary error processing your request. Please try again"),
    17: (403, "Login: User required to be logged in"),
    26: (403, "Suspended API key - Access for your account has been suspended"),
    29: (
        429, "Rate Limit Exceeded - Too many scrobbles in a short period. Please try again later."
    ),
]

/// An error of Last.fm's by its number.
func failure(_ code: Int, _ message: String? = nil, status: Int? = nil) -> Refusal {
    Refusal(status ?? errors[code]?.status ?? 400, message, code: String(code))
}

let lastfm = Service(
    name: "lastfm", base: "/lastfm/2.0/",
    operation: { call, _ in parameters(call)["method"] ?? "" },
    render: { refusal, call in
        let codes = [401: 9, 403: 4, 404: 3, 429: 29, 503: 16, 504: 11]
        let code = refusal.code.flatMap(Int.init) ?? codes[refusal.status] ?? 8
        // An unknown method is a bad request here, not a missing page.
        let status = refusal.status == 404 ? 400 : refusal.status
        let text = refusal.message ?? errors[code]?.text ?? "Error"
        var reply =
            parameters(call)["format"] == "json"
            ? Reply.json(
                ["error": JSON(code), "message": .text(text), "links": []], status: status)
            : Reply.text(Array(errorXML(code, text).utf8), "text/xml; charset=utf-8", status)
        reply.headers.merge(refusal.headers) { $1 }
        return reply
    },
    routes: authMethods + userMethods + trackMethods)

typealias Method = @Sendable (inout World, Parameters) throws -> JSON

/// A method; a signed one checks the signature, one that writes also the session.
func method(_ name: String, signed: Bool = false, session: Bool = false, _ body: @escaping Method)
    -> Service.Route
{
    (
        name,
        { world, call in
            let given = parameters(call)
            guard given["api_key"] == LastfmApplication.key else { throw failure(10) }
            if session, call.method != "POST" {
                throw failure(6, "This method must be called by POST")
            }
            if signed || session || given["sk"] != nil {
                guard
                    given["api_sig"]?.lowercased()
                        == signature(given, secret: LastfmApplication.secret)
                else { throw failure(13) }
            }
            if session || given["sk"] != nil {
                guard world.lastfm.sessions.contains(given["sk"] ?? "") else { throw failure(9) }
            }
            let answer = try body(&world, given)
            guard given["format"] == "json" else {
                return .text(Array(answerXML(answer).utf8), "text/xml; charset=utf-8")
            }
            return .json(answer)
        }
    )
}

// MARK: Log-in

private let authMethods = [
    method("auth.getToken", signed: true) { world, _ in
        let token = randomToken()
        world.lastfm.tokens[token] = .init(made: world.now, isApproved: false)
        return ["token": .text(token)]
    },
    method("auth.getSession", signed: true) { world, given in
        guard let token = world.lastfm.tokens[given["token"] ?? ""] else { throw failure(4) }
        guard world.now < token.made + 3_600_000 else { throw failure(15) }
        guard token.isApproved else { throw failure(14) }
        world.lastfm.tokens[given["token"] ?? ""] = nil
        let key = randomToken()
        world.lastfm.sessions.insert(key)
        return ["session": ["name": .text(World.user), "key": .text(key), "subscriber": 0]]
    },
]

let lastfmAuth = Service(
    name: "lastfm_auth", base: "/lastfm-auth/",
    render: { refusal, _ in .html(refusal.message ?? "Error", status: refusal.status) },
    routes: [("GET /", approve), ("GET ", approve)])

private func approve(_ world: inout World, _ call: Call) throws -> Reply {
    guard call.query("api_key") == LastfmApplication.key else {
        throw Refusal(403, "Invalid API key")
    }
    let back = call.query("cb")
    let token = back == nil ? call.query("token") ?? "" : randomToken()
    if back != nil { world.lastfm.tokens[token] = .init(made: world.now, isApproved: false) }
    guard world.lastfm.tokens[token] != nil else { throw Refusal(403, "Invalid token supplied") }
    switch call.query("answer") ?? world["login"].string {
    case "deny": return .html("You did not allow access.")
    case "ask":
        let here =
            call.path + "?"
            + call.query.map { encoded($0.name) + "=" + encoded($0.value) }.joined(
                separator: "&amp;")
        return .html(
            "<a href='\(here)&amp;answer=approve'>Yes, allow</a> <a href='\(here)&amp;answer=deny'>No</a>"
        )
    default: world.lastfm.tokens[token]?.isApproved = true
    }
    guard let back else { return .html("Application authenticated. You can close this page.") }
    return .redirect(to: back + (back.contains("?") ? "&" : "?") + "token=" + token)
}

private let trackMethods: [Service.Route] = []
