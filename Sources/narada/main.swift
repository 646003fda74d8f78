import Commands

run(Narada.self)
