import Commands

run(NaradaCmd.self)
