-- A refresh finds room for the new row beside the old one, and no index hears of it (a heap-only tuple).

alter table sessions set (fillfactor = 85);
