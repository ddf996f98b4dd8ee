"""Queries by hand: words, phrases, patterns and fuzzy words, and what analyzers read in different ways."""

from __future__ import annotations

WORDS = r"""
mountain
MOUNTAIN
mountain lake
mountain AND lake
mountain OR lake
mountain NOT lake
mountain lake OR forest
(mountain OR hill) AND (lake OR river)
NOT mountain
-mountain -lake
!(mountain || lake)
*:*
*
fair-trade
"fair trade"
twenty-one
o'clock
o’clock
don't
rock'n'roll
example.com
example
v2.1
3.5
12:30
10.5281/zenodo.1
C++
snake_case
snake
case
42
1984
001
x
café
cafe
cafe\u0301
CAFÉ
naive
facade
Zürich
zurich
strasse
straße
STRASSE
smorrebrod
smørrebrød
東京
京都
京
タワー
москва
МОСКВА
Ελλάδα
ΕΛΛΆΔΑ
istanbul
İstanbul
ABC
ＡＢＣ
🏔
🌊
★
👩
👩‍🚀
🚀
&
елка
ёлка
αθηνα
สวัสดี
ชาวโลก
ภาษา
ພາສາ
ភាសា
မြန်မာ
학교
학교에서
서울
שלום
שָׁלוֹם
كتاب
हिन्दी
1234
１２３４
34
software
soft\u00adware
Miller
Miller's
millers
été
l'été
l’ete
run
runs
running
"running"
"runs"
photograph
title:photograph
description:"photographs"
stable-diffusion-xl
asset_193
asset_7
IMG12
東京タワー
京タ
etc
"mountain lake"
"lake mountain"
"mountain lake"~1
"mountain lake"~5
"quiet ancient modern"~10
"two words"
"東京 タワー"
“mountain lake”
"rock'n'roll"
"12:30"
"image 12"
"""

PATTERNS = r"""
mount*
mou*ain
mou?tain
la?e
for*t
caf*
CAF*
zür*
fair-tra*
twenty-o*
snake_*
example.*
東京*
สวัส*
서울*
l'ét*
мос*
İst*
ai_gen*
title:mount*
title:ro?k
description:land*pe
filename:*.jpg
filename:*JPG
filename:img*
filename:*_lake*
filename:river*
filename:ai_generated*
filename:*photo*
filename:IMG-1?.*
tags:mount*
tags:two*
tags:*
tags:sci\/*
tags:per\*c*
tags:question\?
tags:qu??tion*
model:stable-diffusion*
model:stable?diffusion*
external_url:https\:\/\/example.com\/a\/1*
source_path:*river*
source_path:photos*
taxonomy:nature*
taxonomy:nature\/w*
sha256:0a*
slug:mountain*
creator:jane*
custom.colour:dar*
custom.note:la*
people.name:ja*
people.role:ed*
suggested_tags.tag:wa*
camera:can*
exif.FNumber:2.*
extra.codec:h2*
"""

FUZZY = r"""
mountian~
mountan~1
mountin~2
moutain~0.8
lkae~
lake~1
lakes~
frst~2
portrati~
zurihc~
cafee~
東亰~1
สวัสดี~1
miler's~
title:mountian~
description:landscpae~
filename:rivre~
tags:natre~1
tags:mountian~
tags:foresst~2
creator:"jane doe"
creator:jan\ doe~1
model:midjorney~
people.name:jaen~
custom.colour:rad~1
status:compleded~
mountain~0
camera:cannon~
"""
