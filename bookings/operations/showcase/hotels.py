"""What the showcase hotels are: their rooms, their words, and what each picture shows."""

from dataclasses import dataclass, field
from typing import Any

# A text in English and in German.
Both = tuple[str, str]


@dataclass(frozen=True)
class Picture:
    """A file in the hotel's folder, without its ending, and what it shows."""

    name: str
    alt: Both


@dataclass(frozen=True)
class ShowcaseCategory:
    """A category with its rooms by number. `price` is for a night in spring, in cents."""

    id: str
    name: Both
    occupancy: int
    price: int
    rooms: tuple[int, ...]
    description: Both
    content: dict[str, Any]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class ShowcaseHotel:
    """A hotel with its categories. `content` are fields of HotelContent without a language."""

    id: str
    code: str
    name: str
    categories: tuple[ShowcaseCategory, ...]
    texts: dict[str, Both]
    content: dict[str, Any]
    pictures: tuple[Picture, ...]
    settings: dict[str, Any] = field(default_factory=dict)


SEASIDE = ShowcaseHotel(
    id="seaside",
    code="SEA",
    name="Seaside House",
    settings={"time_zone": "Europe/Lisbon", "currency": "EUR", "cancel_hours": 48},
    pictures=(
        Picture(
            "bay",
            (
                "The white house with lit windows above the bay, with sailing boats and the low "
                "sun on the water.",
                "Das weiße Haus mit erleuchteten Fenstern über der Bucht, mit Segelbooten und der "
                "tief stehenden Sonne auf dem Wasser.",
            ),
        ),
        Picture(
            "terrace",
            (
                "A table for two under the pergola on the terrace, with a view of the sea.",
                "Ein Tisch für zwei unter der Pergola auf der Terrasse, mit Blick aufs Meer.",
            ),
        ),
        Picture(
            "breakfast",
            (
                "Breakfast on a wooden table by a wide window onto the bay.",
                "Frühstück auf einem Holztisch am breiten Fenster zur Bucht.",
            ),
        ),
        Picture(
            "beach-path",
            (
                "A sandy path between grassy dunes down to the beach.",
                "Ein Sandweg zwischen bewachsenen Dünen hinunter zum Strand.",
            ),
        ),
    ),
    texts={
        "description": (
            "A white house above the bay, with **twelve rooms** and one long terrace. In the "
            "morning the sun comes in over the water; in the evening it sets behind the cape.\n\n"
            "We serve breakfast until eleven, and the path behind the house leads to the beach in "
            "five minutes.",
            "Ein weißes Haus über der Bucht, mit **zwölf Zimmern** und einer langen Terrasse. "
            "Morgens kommt die Sonne übers Wasser, abends geht sie hinter dem Kap unter.\n\n"
            "Frühstück gibt es bis elf Uhr, und der Weg hinter dem Haus führt in fünf Minuten zum "
            "Strand.",
        ),
        "directions": (
            "- **By train:** from the station take bus 12 to *Cape*, and walk uphill for three "
            "minutes.\n- **By car:** leave the coast road at the lighthouse. You can park behind "
            "the house.",
            "- **Mit der Bahn:** vom Bahnhof mit dem Bus 12 bis *Kap*, dann drei Minuten "
            "bergauf.\n- **Mit dem Auto:** am Leuchtturm von der Küstenstraße abbiegen. Parken "
            "können Sie hinter dem Haus.",
        ),
        "house_rules": (
            "- Quiet from 22:00 to 8:00\n- Dogs are welcome, but not in the breakfast room\n"
            "- Please smoke on the terrace only",
            "- Ruhe von 22 bis 8 Uhr\n- Hunde sind willkommen, nur nicht im Frühstücksraum\n"
            "- Bitte rauchen Sie nur auf der Terrasse",
        ),
        "arrival": (
            "If you arrive after 21:00, write to us, and we leave the light on.",
            "Wenn Sie nach 21 Uhr ankommen, schreiben Sie uns, und wir lassen das Licht an.",
        ),
        "terms": (
            "This hotel exists in this demo only, so nothing is sold here.",
            "Dieses Hotel gibt es nur in dieser Demo, hier wird also nichts verkauft.",
        ),
        "imprint": (
            "Seaside House, Rua do Cabo 7, Ericeira",
            "Seaside House, Rua do Cabo 7, Ericeira",
        ),
    },
    content={
        "amenities": [
            "wifi",
            "parking",
            "breakfast",
            "bar",
            "terrace",
            "garden",
            "pets",
            "bicycles",
        ],
        "street": "Rua do Cabo 7",
        "postal_code": "2655-319",
        "city": "Ericeira",
        "country": "PT",
        "phone": "+351 261 000 000",
        "email": "hello@seaside.example",
        "map_url": "https://www.openstreetmap.org/?mlat=38.9631&mlon=-9.4157#map=16",
    },
    categories=(
        ShowcaseCategory(
            id="seaside-double",
            name=("Double with sea view", "Doppelzimmer mit Meerblick"),
            occupancy=2,
            price=14_500,
            rooms=(101, 102, 103, 201, 202, 203),
            description=(
                "Large windows onto the water, an armchair to sit in front of them, and a "
                "king-size bed.",
                "Große Fenster zum Wasser, ein Sessel davor und ein breites Bett.",
            ),
            content={
                "size_m2": 26,
                "beds": {"king": 1},
                "amenities": ["bathroom", "shower", "view", "heating", "kettle", "hair_dryer"],
            },
            pictures=(
                Picture(
                    "double-sea-view",
                    (
                        "A double room in evening sun, with an armchair at the window onto the "
                        "sea.",
                        "Ein Doppelzimmer in der Abendsonne, mit einem Sessel am Fenster zum Meer.",
                    ),
                ),
                Picture(
                    "double-sea-view-night",
                    (
                        "The same room by lamplight, with stars above the sea.",
                        "Dasselbe Zimmer bei Lampenlicht, mit Sternen über dem Meer.",
                    ),
                ),
            ),
        ),
        ShowcaseCategory(
            id="seaside-single",
            name=("Single", "Einzelzimmer"),
            occupancy=1,
            price=8_900,
            rooms=(104, 105, 204),
            description=(
                "A small blue room with a desk by the window: enough for a book and the sea.",
                "Ein kleines blaues Zimmer mit Schreibtisch am Fenster: genug für ein Buch und das "
                "Meer.",
            ),
            content={
                "size_m2": 14,
                "beds": {"single": 1},
                "amenities": ["bathroom", "shower", "desk", "heating", "kettle"],
            },
            pictures=(
                Picture(
                    "single",
                    (
                        "A small light-blue room with a bed and a desk by the window.",
                        "Ein kleines hellblaues Zimmer mit Bett und Schreibtisch am Fenster.",
                    ),
                ),
                Picture(
                    "single-desk",
                    (
                        "The desk with a lamp at the window of the single room.",
                        "Der Schreibtisch mit Lampe am Fenster des Einzelzimmers.",
                    ),
                ),
            ),
        ),
        ShowcaseCategory(
            id="seaside-family",
            name=("Family suite", "Familiensuite"),
            occupancy=4,
            price=21_500,
            rooms=(301, 302, 303),
            description=(
                "One wide room under the roof for up to four, with a balcony above the sea.",
                "Ein weiter Raum unter dem Dach für bis zu vier Gäste, mit Balkon über dem Meer.",
            ),
            content={
                "size_m2": 42,
                "beds": {"king": 1, "single": 1, "sofa": 1},
                "amenities": [
                    *("bathroom", "bath", "shower", "balcony", "view", "heating", "fridge"),
                    *("kettle", "hair_dryer"),
                ],
                "adults": 3,
                "children": 3,
            },
            pictures=(
                Picture(
                    "family-suite",
                    (
                        "A wide room with a double and a single bed and a balcony above the sea.",
                        "Ein weites Zimmer mit Doppel- und Einzelbett und einem Balkon über dem "
                        "Meer.",
                    ),
                ),
                Picture(
                    "family-suite-balcony",
                    (
                        "The balcony of the family suite behind glass doors, with the sea beyond.",
                        "Der Balkon der Familiensuite hinter Glastüren, dahinter das Meer.",
                    ),
                ),
            ),
        ),
    ),
)

ALTSTADT = ShowcaseHotel(
    id="altstadt",
    code="ALT",
    name="Haus am Markt",
    settings={"time_zone": "Europe/Berlin", "currency": "EUR", "cancel_hours": 24},
    pictures=(
        Picture(
            "square",
            (
                "Gabled houses with lit windows at dusk, their lamps mirrored in wet cobbles.",
                "Giebelhäuser mit erleuchteten Fenstern in der Dämmerung, ihre Lichter spiegeln "
                "sich im nassen Pflaster.",
            ),
        ),
        Picture(
            "library",
            (
                "The library with leather armchairs, two lamps and walls full of books.",
                "Die Bibliothek mit Ledersesseln, zwei Lampen und Wänden voller Bücher.",
            ),
        ),
        Picture(
            "courtyard",
            (
                "The courtyard in the evening, with autumn leaves on the walls and a table for "
                "two.",
                "Der Innenhof am Abend, mit Herbstlaub an den Mauern und einem Tisch für zwei.",
            ),
        ),
        Picture(
            "roofs",
            (
                "The view over the tiled roofs of the old town to church towers in the haze.",
                "Der Blick über die Ziegeldächer der Altstadt zu Kirchtürmen im Dunst.",
            ),
        ),
    ),
    texts={
        "description": (
            "A narrow house from 1612 on the market of the old town, with **ten rooms** under oak "
            "beams, a library, and a quiet courtyard.",
            "Ein schmales Haus von 1612 am Markt der Altstadt, mit **zehn Zimmern** unter "
            "Eichenbalken, einer Bibliothek und einem stillen Innenhof.",
        ),
        "directions": (
            "From the main station, walk towards the towers for twelve minutes. Cars cannot enter "
            "the old town; the car park at the bridge is open day and night.",
            "Vom Hauptbahnhof gehen Sie zwölf Minuten auf die Türme zu. Autos dürfen nicht in die "
            "Altstadt; das Parkhaus an der Brücke ist Tag und Nacht geöffnet.",
        ),
        "house_rules": (
            "- Quiet from 22:00 to 7:00\n- No smoking in the house\n- The stairs are steep, and "
            "there is no lift",
            "- Ruhe von 22 bis 7 Uhr\n- Im Haus wird nicht geraucht\n- Die Treppen sind steil, und "
            "es gibt keinen Aufzug",
        ),
        "arrival": (
            "The reception is open from 8:00 to 20:00. Later, the door opens with the code from "
            "our e-mail.",
            "Die Rezeption ist von 8 bis 20 Uhr besetzt. Danach öffnet die Tür mit dem Code aus "
            "unserer E-Mail.",
        ),
        "terms": (
            "This hotel exists in this demo only, so nothing is sold here.",
            "Dieses Hotel gibt es nur in dieser Demo, hier wird also nichts verkauft.",
        ),
        "imprint": ("Haus am Markt, Markt 9, Lübeck", "Haus am Markt, Markt 9, Lübeck"),
    },
    content={
        "amenities": ["wifi", "breakfast", "luggage", "garden", "bicycles", "no_smoking"],
        "street": "Markt 9",
        "postal_code": "23552",
        "city": "Lübeck",
        "country": "DE",
        "phone": "+49 451 000000",
        "email": "hallo@markt.example",
        "map_url": "https://www.openstreetmap.org/?mlat=53.8667&mlon=10.6850#map=16",
    },
    categories=(
        ShowcaseCategory(
            id="altstadt-double",
            name=("Double", "Doppelzimmer"),
            occupancy=2,
            price=11_500,
            rooms=(11, 12, 21, 22, 23),
            description=(
                "A bed under oak beams, an armchair, and a window onto the roofs.",
                "Ein Bett unter Eichenbalken, ein Sessel und ein Fenster zu den Dächern.",
            ),
            content={
                "size_m2": 21,
                "beds": {"double": 1},
                "amenities": ["bathroom", "shower", "heating", "kettle", "wardrobe"],
            },
            pictures=(
                Picture(
                    "double",
                    (
                        "A double room under oak beams, with sun on the bed and roofs outside.",
                        "Ein Doppelzimmer unter Eichenbalken, mit Sonne auf dem Bett und Dächern "
                        "vor dem Fenster.",
                    ),
                ),
                Picture(
                    "double-armchair",
                    (
                        "The armchair at the window of the double room.",
                        "Der Sessel am Fenster des Doppelzimmers.",
                    ),
                ),
            ),
        ),
        ShowcaseCategory(
            id="altstadt-attic",
            name=("Attic single", "Einzelzimmer unterm Dach"),
            occupancy=1,
            price=7_500,
            rooms=(31, 32, 33),
            description=(
                "A bed under the slope of the roof, and a desk with a lamp.",
                "Ein Bett unter der Dachschräge und ein Schreibtisch mit Lampe.",
            ),
            content={
                "size_m2": 12,
                "beds": {"single": 1},
                "amenities": ["bathroom", "shower", "desk", "heating"],
            },
            pictures=(
                Picture(
                    "attic-single",
                    (
                        "A single bed under the slopes of the attic, with a desk and a lamp.",
                        "Ein Einzelbett unter der Dachschräge, mit Schreibtisch und Lampe.",
                    ),
                ),
                Picture(
                    "attic-single-desk",
                    (
                        "The desk below the attic window, by lamplight.",
                        "Der Schreibtisch am Dachzimmerfenster bei Lampenlicht.",
                    ),
                ),
            ),
        ),
        ShowcaseCategory(
            id="altstadt-apartment",
            name=("Apartment", "Apartment"),
            occupancy=4,
            price=16_500,
            rooms=(13, 24),
            description=(
                "Two rooms with a kitchen, a dining table and a sofa that turns into a bed.",
                "Zwei Räume mit Küche, Esstisch und einem Sofa, aus dem ein Bett wird.",
            ),
            content={
                "size_m2": 48,
                "beds": {"double": 1, "sofa": 1},
                "amenities": [
                    *("bathroom", "bath", "shower", "kitchenette", "fridge", "kettle", "coffee"),
                    *("heating", "tv", "wardrobe"),
                ],
            },
            pictures=(
                Picture(
                    "apartment",
                    (
                        "The apartment with a green sofa, a dining table and a kitchen along the "
                        "wall.",
                        "Das Apartment mit grünem Sofa, Esstisch und Küchenzeile.",
                    ),
                ),
                Picture(
                    "apartment-kitchen",
                    (
                        "The kitchen and the dining table of the apartment.",
                        "Die Küche und der Esstisch des Apartments.",
                    ),
                ),
            ),
        ),
    ),
)

HOTELS = (SEASIDE, ALTSTADT)
