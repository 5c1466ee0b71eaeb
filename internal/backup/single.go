package backup

// SinglePromise is what whoever writes `clients: single` promises, in the words that are used for it everywhere. Only then may a
// lock that a dead run left behind be broken.
const SinglePromise = "nobody else starts a borg on that repository: no other machine, no other user, nobody by hand, not on the server either"
