import Foundation
import JSONText

/// Runs what `narada-torture` is asked for.
///
/// - Returns: The exit code: 0 if it ran, whatever it found; 64 for wrong usage.
public func torture(_ arguments: [String]) -> Int32 {
    var options: [String: String] = [:]
    var rest = arguments.dropFirst()
    while let name = rest.popFirst() {
        options[name] = name == "--full" ? "" : rest.popFirst() ?? ""
    }
    if let name = arguments.first, let helper = helpers[name] {
        do { return try helper(Options(values: options)) } catch {
            FileHandle.standardError.write(Data("narada-torture \(name): \(error)\n".utf8))
            return 1
        }
    }
    let broken = options["--broken"].flatMap(Breakage.init)
    guard let name = arguments.first, let layer = layers[name],
        options["--broken"] == nil || broken != nil
    else {
        let names = layers.keys.sorted().joined(separator: ", ")
        FileHandle.standardError.write(
            Data(
                "narada-torture LAYER [--seed N] [--cases N] [--full] [--broken NAME]; LAYER is one of \(names)\n"
                    .utf8))
        return 64
    }
    let plan = Plan(
        seed: options["--seed"].flatMap(UInt64.init) ?? 1,
        cases: options["--cases"].flatMap(Int.init) ?? 1, isFull: options["--full"] != nil,
        broken: broken)
    do {
        let tally = try layer(plan)
        var fields: [(String, JSON)] = [
            ("cases", JSON(tally.cases)), ("faults", JSON(tally.faults)),
        ]
        for kind in [Tally.Kind.lost, .accepted, .wrong] {
            fields.append((kind.rawValue, JSON(tally.found[kind] ?? 0)))
        }
        let figures = tally.figures.sorted { $0.key < $1.key }.map { ($0.key, JSON($0.value)) }
        fields.append(("figures", .object(figures)))
        fields.append(("failures", .array(tally.failures.map { .text($0) })))
        print(String(decoding: JSON.object(fields).bytes, as: UTF8.self))
        return 0
    } catch {
        FileHandle.standardError.write(Data("narada-torture \(name): \(error)\n".utf8))
        return 70
    }
}
