"""check"""
def check(s): pass
