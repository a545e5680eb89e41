"""On the pit wall: receive → relay → view and record."""
