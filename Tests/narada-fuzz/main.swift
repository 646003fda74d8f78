import Foundation
import Torture

// A fuzzer that is guided by coverage: libFuzzer, which comes with the toolchain, over `GuidedFuzz`.
//
//     narada-fuzz --inputs FOLDER     writes the inputs to begin with, a file each
//     narada-fuzz [libFuzzer's options] FOLDER…
//
// `tools/torture --full --only fuzz-guided` builds it, with NARADA_FUZZ=1 and -sanitize=fuzzer, and runs it.

/// libFuzzer's own main.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ read: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

nonisolated(unsafe) private let fuzz = try GuidedFuzz()
private let isCareless =
    ProcessInfo.processInfo.environment["TORTURE_BROKEN"] == "careless-parser"

/// libFuzzer looks for this name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    fuzz.read(UnsafeBufferPointer(start: data, count: size), isCareless: isCareless)
    return 0
}

if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "--inputs" {
    for (number, input) in fuzz.inputs.enumerated() {
        try Data(input).write(to: URL(fileURLWithPath: "\(CommandLine.arguments[2])/\(number)"))
    }
} else {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(runDriver(&count, &arguments, fuzzOne))
}
