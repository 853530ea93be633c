"""Acts: turns an approved plan into orders, each sent once, and into books that agree."""
