import Commands

// narada-project-playlists is this program under another name.
let name = CommandLine.arguments.first?.split(separator: "/").last ?? ""
if name.hasPrefix("narada-project-") {
    NaradaProject.onlyOne = String(name.dropFirst("narada-project-".count))
}
run(NaradaProject.self)
