import JSONText

/// One base URL with what answers below it.
///
/// The server, the journal and the faults know no more of a service than this; a new one is a value of
/// this type, its part of the ``World``, and a place in `Sandbox.services`.
struct Service: Sendable {
    typealias Handler = @Sendable (inout World, Call) throws -> Reply
    typealias Route = (pattern: String, handler: Handler)

    /// The key of its base URL in the line that the program prints.
    let name: String
    /// The path of its base URL.
    let base: String
    /// The header in which it says how long to wait.
    var waitHeader = "Retry-After"
    /// What stands in the headers of all its answers that are no errors.
    var headers = JSON.null
    /// Puts an error in the service's words.
    var render: @Sendable (Refusal, Call) -> Reply
    /// Patterns such as `GET /playlists/{id}/items`.
    var routes: [Route]

    /// The path below the base, `/` for the base itself; nil if it belongs to another service.
    func rest(of path: String) -> String? {
        let (root, whole) = (base.split(separator: "/"), path.split(separator: "/"))
        guard whole.starts(with: root) else { return nil }
        return "/" + whole.dropFirst(root.count).joined(separator: "/")
    }

    /// Lets the first route that fits the path below the base answer.
    func answer(_ call: Call, _ rest: String, in world: inout World) -> Reply {
        let parts = "\(call.method) \(rest)".split(separator: "/")
        do {
            for route in routes {
                let wanted = route.pattern.split(separator: "/")
                let pairs = zip(wanted, parts)
                guard wanted.count == parts.count,
                    pairs.allSatisfy({ $0.hasPrefix("{") || $0 == $1 })
                else { continue }
                var call = call
                call.id = pairs.first { $0.0.hasPrefix("{") }.map { decoded($0.1) } ?? ""
                var reply = try route.handler(&world, call)
                for (name, value) in headers.members { reply.headers[name] = value.string }
                return reply
            }
            throw Refusal(404)
        } catch {
            return refuse(error as? Refusal ?? Refusal(500), call)
        }
    }

    /// An error as the service answers it.
    func refuse(_ refusal: Refusal, _ call: Call) -> Reply {
        var reply = render(refusal, call)
        reply.headers.merge(refusal.headers) { $1 }
        let wait = reply.headers.removeValue(forKey: "Retry-After")
        reply.headers[waitHeader] = wait
        return reply
    }
}
