"""Operations: long work that is asked for once, goes on after a crash, and says of each item what became of it."""
